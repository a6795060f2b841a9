use std::collections::BTreeMap;

use super::*;

fn sample(subject: Subject, round: u32, cpu: f64, rate: f64) -> Sample {
    Sample {
        subject,
        round,
        requests: 100,
        rate,
        cpu,
        parts: BTreeMap::from([("postgres", cpu)]),
        latency: Some((1.0, 2.0)),
        drain: 0.0,
        foreign: 0.05,
    }
}

/// Efficiencies of 4, 2 and 3 in three rounds.
fn report() -> Report {
    let limit = Subject::Limit(Limit::Baseline(Operation::PostMessage));
    let same = Subject::Limit(Limit::Same(Operation::PostMessage));
    let system = Subject::System(Kind::One, Operation::PostMessage, 64);
    let mut report = Report::default();
    for (round, (baseline, candidate)) in [(400.0, 100.0), (400.0, 200.0), (600.0, 200.0)].into_iter().enumerate() {
        let round = u32::try_from(round).unwrap();
        report.samples.push(sample(limit, round, baseline, 1000.0));
        report.samples.push(sample(same, round, baseline / 2.0, 2000.0));
        report.samples.push(sample(system, round, candidate, 4000.0));
    }
    report
}

#[test]
fn an_even_count_has_its_median_between_the_two_in_the_middle() {
    let spread = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
    let expected = Spread {
        median: 2.5,
        min: 1.0,
        max: 4.0,
    };
    assert_eq!(spread, expected);
    assert_eq!(Spread::of([]), None);
}

#[test]
fn efficiency_is_the_median_of_rounds_that_are_compared_with_themselves() {
    let rows = report().rows();
    let names: Vec<&str> = rows.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(names, ["pgbench", "pgbench, same SQL", "one process"]);
    let (efficiency, wall, same) = rows[2].against.unwrap();
    let expected = Spread {
        median: 3.0,
        min: 2.0,
        max: 4.0,
    };
    assert_eq!(efficiency, expected);
    assert!((wall.median - 4.0).abs() < f64::EPSILON);
    assert!((same.unwrap().median - 1.5).abs() < f64::EPSILON);
}

#[test]
fn a_search_has_to_cost_little_whatever_pgbench_needs() {
    let mut report = Report::default();
    let limit = Subject::Limit(Limit::Baseline(Operation::SearchRare));
    report.samples.push(sample(limit, 0, 1.0, 1000.0));
    let system = Subject::System(Kind::One, Operation::SearchRare, 16);
    report.samples.push(sample(system, 0, 5000.0, 100.0));
    assert!(report.met());
    assert!(report.table().contains("≤ 5000 µs met"));
    report.samples[1].cpu = 5001.0;
    assert!(!report.met());
}

#[test]
fn a_floor_is_met_by_the_median_and_missed_below_it() {
    let mut report = report();
    assert!(report.met());
    assert!(report.table().contains("3.00 met"));
    for sample in &mut report.samples {
        if matches!(sample.subject, Subject::System(..)) {
            sample.cpu *= 1.01;
        }
    }
    assert!(!report.met());
    assert!(report.table().contains("3.00 MISSED"));
    assert_eq!(report.json()["rows"][2]["met"], false);
}
