//! How to connect: the Secret's fields, and where the proxy is for whoever is outside the cluster.

use anyhow::{Context, Result, anyhow};
use k8s_openapi::ByteString;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

/// How to connect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The name that the server's certificate must have.
    host: String,
    /// Where that name is, if it does not resolve here.
    address: Option<IpAddr>,
    port: u16,
    database: String,
    user: String,
    password: String,
    /// The certificate authority, as PEM.
    pub(crate) authority: Vec<u8>,
}

impl Connection {
    /// Reads the Secret, with the proxy somewhere else if that is asked for.
    pub(crate) fn read(
        secret: &str,
        data: &BTreeMap<String, ByteString>,
        proxy: Option<&str>,
    ) -> Result<Self> {
        let bytes = |key: &str| {
            let value = data.get(key).map(|value| value.0.clone());
            value.filter(|value| !value.is_empty()).ok_or_else(|| {
                anyhow!("Secret {secret} has no {key}; the operator writes it as soon as the cluster has one")
            })
        };
        let text = |key: &str| {
            String::from_utf8(bytes(key)?).with_context(|| format!("{key} of Secret {secret} is not text"))
        };
        let port = text("port")?;
        let mut connection = Self {
            host: text("host")?,
            address: None,
            port: port.parse().with_context(|| format!("port {port:?} of Secret {secret} is not a port"))?,
            database: text("database")?,
            user: text("username")?,
            password: text("password")?,
            authority: bytes("ca.crt")?,
        };
        if let Some(proxy) = proxy {
            connection.through(proxy)?;
        }
        Ok(connection)
    }

    /// Takes another way to the proxy. An address is where the proxy's own name is; a name is one that its certificate must have.
    fn through(&mut self, proxy: &str) -> Result<()> {
        let (host, port) =
            proxy.rsplit_once(':').ok_or_else(|| anyhow!("write the proxy as host:port, not {proxy:?}"))?;
        self.port = port.parse().with_context(|| format!("{port:?} in {proxy:?} is not a port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(address) => self.address = Some(address),
            Err(_) if host.is_empty() => return Err(anyhow!("write the proxy as host:port, not {proxy:?}")),
            Err(_) => host.clone_into(&mut self.host),
        }
        Ok(())
    }

    /// What libpq reads from the environment.
    pub(crate) fn environment(
        &self,
        database: Option<&str>,
        authority: &Path,
    ) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGDATABASE", database.unwrap_or(&self.database).to_owned()),
            ("PGUSER", self.user.clone()),
            ("PGPASSWORD", self.password.clone()),
            ("PGSSLMODE", "verify-full".to_owned()),
            ("PGSSLROOTCERT", authority.display().to_string()),
        ];
        if let Some(address) = self.address {
            environment.push(("PGHOSTADDR", address.to_string()));
        }
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn secret() -> BTreeMap<String, ByteString> {
        [
            ("host", "berth-proxy.berth-system.svc"),
            ("port", "5432"),
            ("database", "app"),
            ("username", "app@shop/orders"),
            ("password", "s3cret"),
            ("ca.crt", "PEM"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
        .collect()
    }

    fn environment(proxy: Option<&str>) -> BTreeMap<&'static str, String> {
        let connection = Connection::read("orders-owner", &secret(), proxy).unwrap();
        connection.environment(None, Path::new("/tmp/ca")).into_iter().collect()
    }

    #[rstest]
    #[case::in_the_cluster(None, "berth-proxy.berth-system.svc", None, "5432")]
    #[case::an_address_keeps_the_name(
        Some("127.0.0.1:15432"),
        "berth-proxy.berth-system.svc",
        Some("127.0.0.1"),
        "15432"
    )]
    #[case::an_address_of_version_6(
        Some("[::1]:15432"),
        "berth-proxy.berth-system.svc",
        Some("::1"),
        "15432"
    )]
    #[case::another_name(Some("db.example.com:5432"), "db.example.com", None, "5432")]
    fn the_way_to_the_proxy(
        #[case] proxy: Option<&str>,
        #[case] host: &str,
        #[case] address: Option<&str>,
        #[case] port: &str,
    ) {
        let environment = environment(proxy);
        assert_eq!(environment["PGHOST"], host);
        assert_eq!(environment.get("PGHOSTADDR").map(String::as_str), address);
        assert_eq!(environment["PGPORT"], port);
        assert_eq!(environment["PGSSLMODE"], "verify-full");
        assert_eq!(environment["PGUSER"], "app@shop/orders");
    }

    #[test]
    fn a_secret_that_is_not_whole_is_told_by_the_missing_key() {
        let mut data = secret();
        data.remove("password");
        let error = Connection::read("orders-owner", &data, None).unwrap_err().to_string();
        assert!(error.contains("orders-owner has no password"), "{error}");
        assert!(Connection::read("orders-owner", &secret(), Some("nowhere")).is_err());
    }
}
