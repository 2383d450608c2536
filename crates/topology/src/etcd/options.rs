//! Where etcd is and how patient its client is.

use std::path::PathBuf;
use std::time::Duration;

/// Where etcd is and how patient its client is.
#[derive(Debug, Clone)]
pub struct EtcdOptions {
    /// The members' addresses, `https://host:port`; one is used at a time, the next after a failure.
    pub endpoints: Vec<String>,
    /// The directory with `ca.crt`, `tls.crt` and `tls.key`.
    pub identity: PathBuf,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long one attempt of a call may take. Far above an etcd's slowest healthy answer, because a member that is left too
    /// early makes the others busier.
    pub attempt: Duration,
    /// The same for a call whose answer is worth nothing late: two attempts, and with them two members, fit into the second in which a primary
    /// must know whether it still is one.
    pub prompt_attempt: Duration,
    /// How often an idle connection is tried: what a lost machine, which closes nothing, is noticed late by.
    pub keepalive: Duration,
    /// How long a silent watch is believed before it is asked how far it is.
    pub silence: Duration,
    /// How long an asked watch, or a tried connection, has to answer.
    pub patience: Duration,
}

/// Why options are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// No endpoint.
    #[error("no etcd endpoint is given; write https://host:port, several parted by commas")]
    Empty,
    /// An endpoint without TLS or of another form.
    #[error(
        "the etcd endpoint {0:?} is not of the form https://host:port; Berth speaks to etcd by mutual TLS only"
    )]
    Endpoint(String),
}

impl EtcdOptions {
    /// Options with the usual patience. `endpoints` are parted by commas.
    pub fn new(endpoints: &str, identity: impl Into<PathBuf>) -> Result<Self, InvalidOptions> {
        let endpoints: Vec<String> =
            endpoints.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
        if endpoints.is_empty() {
            return Err(InvalidOptions::Empty);
        }
        let wrong = |one: &&String| one.strip_prefix("https://").is_none_or(|rest| !rest.contains(':'));
        if let Some(one) = endpoints.iter().find(wrong) {
            return Err(InvalidOptions::Endpoint(one.clone()));
        }
        Ok(Self {
            endpoints,
            identity: identity.into(),
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(4),
            prompt_attempt: Duration::from_millis(400),
            keepalive: Duration::from_secs(10),
            silence: Duration::from_secs(15),
            patience: Duration::from_secs(5),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_parted_by_commas_and_speak_tls() {
        let options = EtcdOptions::new("https://a:2379, https://b:2379,", "/tls").unwrap();
        assert_eq!(options.endpoints, ["https://a:2379", "https://b:2379"]);
        assert_eq!(EtcdOptions::new(" ,", "/tls").unwrap_err(), InvalidOptions::Empty);
        for wrong in ["http://a:2379", "a:2379", "https://a"] {
            assert!(matches!(EtcdOptions::new(wrong, "/tls"), Err(InvalidOptions::Endpoint(_))), "{wrong}");
        }
    }
}
