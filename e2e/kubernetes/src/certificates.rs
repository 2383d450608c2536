//! Certificates and keys of the local control plane, made anew at every `up`.
//!
//! One authority signs everything; elliptic keys, because they take no noticeable time to make. The dates are
//! wide on purpose: this authority lives as long as the cluster, hours at most, and its folder is private.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::addresses::{API_SERVICE_IP, CONTROL_IP, node_ip, node_name};
use crate::error::Error;
use crate::layout::Layout;

/// A client certificate: file name, user, groups.
const CLIENTS: [(&str, &str, &str); 8] = [
    ("admin", "admin", "system:masters"),
    ("apiserver-kubelet", "apiserver-kubelet", "system:masters"),
    ("kube-controller-manager", "system:kube-controller-manager", ""),
    ("kube-scheduler", "system:kube-scheduler", ""),
    ("kube-proxy", "system:kube-proxy", ""),
    ("coredns", "system:coredns", ""),
    ("storage", "system:storage", "system:masters"),
    ("front-proxy", "front-proxy", ""),
];

/// Makes all of them in the layout's folder.
pub(crate) fn make(layout: &Layout, workers: u8) -> Result<(), Error> {
    let pki = layout.pki();
    fs::create_dir_all(&pki).map_err(Error::io("create", &pki))?;
    let authority = Authority::new(layout)?;
    let api = [
        "127.0.0.1",
        CONTROL_IP,
        API_SERVICE_IP,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    authority.issue(layout, "apiserver", ("kube-apiserver", ""), &api)?;
    for (file, user, group) in CLIENTS {
        authority.issue(layout, file, (user, group), &[])?;
    }
    for node in 1..=workers {
        let name = node_name(node);
        let user = format!("system:node:{name}");
        authority.issue(layout, &format!("kubelet-{name}"), (&user, "system:nodes"), &[])?;
        authority.issue(layout, &format!("serving-{name}"), (&name, ""), &[&name, &node_ip(node)])?;
    }
    let accounts = key("service accounts")?;
    write_private(&layout.key("service-accounts"), &accounts.serialize_pem())?;
    let public = layout.pki().join("service-accounts.pub");
    fs::write(&public, accounts.public_key_pem()).map_err(Error::io("write", &public))
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(layout: &Layout) -> Result<Self, Error> {
        let subject = "berth local Kubernetes";
        let mut params = params(subject, "", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = key(subject)?;
        let certificate = params.self_signed(&key).map_err(failed(subject))?;
        let path = layout.certificate("ca");
        fs::write(&path, certificate.pem()).map_err(Error::io("write", &path))?;
        write_private(&layout.key("ca"), &key.serialize_pem())?;
        Ok(Self { issuer: Issuer::new(params, key) })
    }

    fn issue(
        &self,
        layout: &Layout,
        file: &str,
        (user, group): (&str, &str),
        names: &[&str],
    ) -> Result<(), Error> {
        let mut params = params(user, group, names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = key(user)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed(user))?;
        let path = layout.certificate(file);
        fs::write(&path, certificate.pem()).map_err(Error::io("write", &path))?;
        write_private(&layout.key(file), &key.serialize_pem())
    }
}

fn params(user: &str, group: &str, names: &[&str]) -> Result<CertificateParams, Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(failed(user))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    if !group.is_empty() {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    Ok(params)
}

fn key(subject: &str) -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(failed(subject))
}

fn failed(subject: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let subject = subject.to_owned();
    move |source| Error::Certificate { subject, source }
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = open.map_err(Error::io("create", path))?;
    file.write_all(content.as_bytes()).map_err(Error::io("write", path))
}
