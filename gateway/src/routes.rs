//! The routes as traces and metrics name them: by their patterns, because paths hold ids.

use std::sync::OnceLock;
use std::time::Duration;

use http::{Method, StatusCode};
use metrics::Histogram;

/// The name of the metric.
const DURATION: &str = "http_server_duration_seconds";
/// What methods are counted as.
const METHODS: [&str; 6] = ["other", "GET", "POST", "PUT", "PATCH", "DELETE"];
/// What statuses are counted as, by their first digit.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// All routes that are described.
pub(crate) struct Routes {
    /// By the number of their segments; among those of one number, literal segments before parameters.
    by_length: Vec<Vec<Route>>,
    /// What is served under no pattern.
    other: Route,
}

/// One pattern, with the durations of its requests by method and class of status.
pub(crate) struct Route {
    pattern: String,
    /// Made when they are first needed: most combinations never happen, and each is a series for whoever scrapes.
    durations: [[OnceLock<Histogram>; CLASSES.len()]; METHODS.len()],
}

impl Routes {
    /// The routes of `patterns`, literal segments before parameters.
    pub(crate) fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        metrics::describe_histogram!(
            DURATION,
            metrics::Unit::Seconds,
            "From the head of a request to the head of its answer"
        );
        let mut by_length: Vec<Vec<Route>> = Vec::new();
        for pattern in patterns {
            let length = length_of(&pattern);
            by_length.resize_with(by_length.len().max(length + 1), Vec::new);
            by_length[length].push(Route::new(pattern));
        }
        Self {
            by_length,
            other: Route::new(String::new()),
        }
    }

    /// The route that `path` is served by; one with an empty pattern when there is none.
    pub(crate) fn find(&self, path: &str) -> &Route {
        let candidates = self.by_length.get(length_of(path)).map_or(&[][..], Vec::as_slice);
        candidates.iter().find(|route| route.fits(path)).unwrap_or(&self.other)
    }
}

impl Route {
    fn new(pattern: String) -> Self {
        Self {
            pattern,
            durations: Default::default(),
        }
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, method: &Method, status: StatusCode, took: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(0);
        let class = usize::from(status.as_u16() / 100);
        let class = if class < CLASSES.len() { class } else { 0 };
        self.durations[method][class]
            .get_or_init(|| {
                metrics::histogram!(
                    DURATION,
                    "route" => self.pattern.clone(),
                    "method" => METHODS[method],
                    "status" => CLASSES[class],
                )
            })
            .record(took);
    }

    /// Of a path with as many segments.
    fn fits(&self, path: &str) -> bool {
        let mut pairs = self.pattern.split('/').zip(path.split('/'));
        pairs.all(|(wanted, given)| wanted == given || wanted.starts_with('{'))
    }
}

fn length_of(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_segment_wins_over_a_parameter() {
        let routes = Routes::new(["/v1/c/chatbot/{id}/s", "/v1/c/{id}", "/v1/c/{id}/s"].map(str::to_owned));
        for (path, expected) in [
            ("/v1/c/chatbot", "/v1/c/{id}"),
            ("/v1/c/chatbot/s", "/v1/c/{id}/s"),
            ("/v1/c/chatbot/7/s", "/v1/c/chatbot/{id}/s"),
            ("/v1/c", ""),
            ("/v1/c/7/s/t/u", ""),
            ("", ""),
        ] {
            assert_eq!(routes.find(path).pattern(), expected);
        }
    }
}
