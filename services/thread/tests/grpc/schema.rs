//! What every context's tables keep to.

#[test]
fn the_infrastructure_tables_are_those_of_every_context() {
    let shared = include_str!("../../../platform/sql/infrastructure.sql").replace("{schema}", "thread");
    assert_eq!(include_str!("../../migrations/0001_infrastructure.sql"), shared);
    let shared = include_str!("../../../platform/sql/published.sql").replace("{schema}", "thread");
    assert_eq!(include_str!("../../migrations/0003_published.sql"), shared);
}
