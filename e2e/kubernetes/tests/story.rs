//! One cluster from `up` to `down`, doing everything that the end-to-end tests rely on.
//!
//! It is a single test, because a cluster takes seconds to come up and each step needs what the one before left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use berth_e2e_kubernetes::{Cluster, Direction, Error, Options, Peer, Progress, image};
use support::{eventually, nothing_is_left};

/// One thing that a cluster does.
type Chapter = fn(&Cluster);

const SOON: Duration = Duration::from_mins(1);

#[test]
fn a_cluster_does_what_a_real_one_does() {
    let name = "test-story".to_owned();
    let cluster =
        Cluster::up(Options { name, workers: 3, progress: Progress::stderr(), ..Options::default() })
            .unwrap();
    let root = cluster.layout().root().to_path_buf();

    let chapters: [(&str, Chapter); 11] = [
        ("nodes are ready in three zones", nodes_are_ready_in_three_zones),
        ("an image is loaded on all nodes", an_image_is_loaded_on_all_nodes),
        ("a pod writes to its own volume", a_pod_writes_to_its_own_volume),
        ("cluster DNS and Services answer", cluster_dns_and_services_answer),
        ("restricted namespaces refuse privileged pods", restricted_namespaces_refuse_privileged_pods),
        ("a volume grows under a running pod", a_volume_grows_under_a_running_pod),
        ("a snapshot can be restored", a_snapshot_can_be_restored),
        ("edges are cut and healed one by one", edges_are_cut_and_healed_one_by_one),
        (
            "lost and mute nodes come back",
            a_node_that_lost_power_and_one_that_is_mute_are_missed_and_come_back,
        ),
        (
            "a node without control plane reaches its peers",
            a_node_without_control_plane_still_reaches_its_peers,
        ),
        ("the control plane stops and starts", the_control_plane_can_be_stopped_and_started),
    ];
    for (chapter, tell) in chapters {
        let start = Instant::now();
        tell(&cluster);
        Progress::stderr().say(&format!("{:>5.1} s  {chapter}", start.elapsed().as_secs_f64()));
    }
    the_audit_log_tells_who_did_what(&cluster);

    let start = Instant::now();
    cluster.down().unwrap();
    Progress::stderr().say(&format!("{:>5.1} s  down", start.elapsed().as_secs_f64()));
    nothing_is_left(&root);
}

fn nodes_are_ready_in_three_zones(cluster: &Cluster) {
    let zones = r"jsonpath={range .items[*]}{.metadata.labels.topology\.kubernetes\.io/zone}{end}";
    assert_eq!(cluster.kubectl(&["get", "nodes", "-o", zones]).unwrap(), "abc");
}

/// Loaded after the start, so that the pods of the next chapters prove that loading works.
fn an_image_is_loaded_on_all_nodes(cluster: &Cluster) {
    cluster.load_image(&image::postgres17(&Progress::stderr()).unwrap().archive).unwrap();
}

fn a_pod_writes_to_its_own_volume(cluster: &Cluster) {
    cluster.apply(include_str!("manifests/writer.yaml")).unwrap();
    await_writer(cluster);
    in_writer(cluster, "echo kept > /data/word && sync /data/word").unwrap();
    assert_eq!(in_writer(cluster, "cat /data/word").unwrap(), "kept\n");
}

fn cluster_dns_and_services_answer(cluster: &Cluster) {
    let answer = in_writer(cluster, "getent hosts kubernetes.default.svc.cluster.local").unwrap();
    assert!(answer.starts_with("10.91.0.1 "), "{answer}");

    // The API server through its Service, seen from a pod and, by a relay, from the machine.
    in_writer(cluster, "exec 3<>/dev/tcp/10.91.0.1/443").unwrap();
    let relay = cluster.relay("10.91.0.1:443".parse().unwrap()).unwrap();
    let server = format!("--server=https://{relay}");
    assert_eq!(cluster.kubectl(&[&server, "get", "--raw", "/readyz"]).unwrap(), "ok");
}

fn restricted_namespaces_refuse_privileged_pods(cluster: &Cluster) {
    let refused = cluster.apply(include_str!("manifests/privileged.yaml")).unwrap_err();
    assert!(refused.to_string().contains("violates PodSecurity"), "{refused}");
}

fn a_volume_grows_under_a_running_pod(cluster: &Cluster) {
    let mebibytes = || in_writer(cluster, "df --output=size -BM /data | tail -1").unwrap();
    let before = number(&mebibytes());
    assert!((900..=1100).contains(&before), "{before} MiB");
    let patch = r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#;
    cluster.kubectl(&["patch", "pvc", "data", "-n", "story", "-p", patch]).unwrap();
    eventually("the volume to grow", SOON, || (number(&mebibytes()) > 1900).then_some(()));
}

fn a_snapshot_can_be_restored(cluster: &Cluster) {
    cluster.apply(include_str!("manifests/snapshot.yaml")).unwrap();
    let ready = "--for=jsonpath={.status.phase}=Succeeded";
    cluster.kubectl(&["wait", "-n", "story", ready, "pod/reader", "--timeout=60s"]).unwrap();
    assert_eq!(cluster.kubectl(&["logs", "-n", "story", "reader"]).unwrap(), "kept\n");
}

fn edges_are_cut_and_healed_one_by_one(cluster: &Cluster) {
    assert!(reaches(cluster, 1, 3) && reaches(cluster, 1, 2) && reaches(cluster, 3, 1));
    cluster.edge(1, 3).cut().unwrap();
    assert!(!reaches(cluster, 1, 3), "a cut edge must carry nothing");
    assert!(!reaches(cluster, 3, 1), "it is cut in both directions");
    assert!(reaches(cluster, 1, 2) && reaches(cluster, 3, 2), "other edges stay");
    cluster.edge(1, 3).heal().unwrap();
    assert!(reaches(cluster, 1, 3));

    // One direction is enough to stop a connection from coming about, and must stop only that pair.
    cluster.edge(1, 3).cut_direction(Direction::To).unwrap();
    assert!(!reaches(cluster, 1, 3) && reaches(cluster, 1, 2));
    cluster.node(1).heal().unwrap();
    assert!(reaches(cluster, 1, 3), "healing a node heals its edges");
}

fn a_node_that_lost_power_and_one_that_is_mute_are_missed_and_come_back(cluster: &Cluster) {
    cluster.node(2).power_off().unwrap();
    cluster.node(3).partition(Direction::From).unwrap();
    let refused = cluster.node(2).run(&["true"]).unwrap_err();
    assert!(refused.to_string().contains("node 2 is off"), "{refused}");
    await_ready(cluster, "n2", "Unknown");
    await_ready(cluster, "n3", "Unknown");
    await_ready(cluster, "n1", "True");

    cluster.node(3).heal().unwrap();
    cluster.node(2).power_on().unwrap();
    await_ready(cluster, "n3", "True");
    let word = eventually("the pod to run again", SOON, || in_writer(cluster, "cat /data/word").ok());
    assert_eq!(word, "kept\n");
    assert!(number(&in_writer(cluster, "df --output=size -BM /data | tail -1").unwrap()) > 1900);
}

fn a_node_without_control_plane_still_reaches_its_peers(cluster: &Cluster) {
    cluster.edge(3, Peer::ControlPlane).cut().unwrap();
    await_ready(cluster, "n3", "Unknown");
    assert!(reaches(cluster, 3, 1) && reaches(cluster, 1, 3));
    cluster.edge(3, Peer::ControlPlane).heal().unwrap();
    await_ready(cluster, "n3", "True");
}

fn the_control_plane_can_be_stopped_and_started(cluster: &Cluster) {
    cluster.stop_component("kube-apiserver").unwrap();
    assert!(cluster.kubectl(&["get", "--raw", "/readyz", "--request-timeout=2s"]).is_err());
    cluster.start_component("kube-apiserver").unwrap();
    eventually("the API server's return", SOON, || cluster.kubectl(&["get", "--raw", "/readyz"]).ok());
}

fn the_audit_log_tells_who_did_what(cluster: &Cluster) {
    let log = fs::read_to_string(cluster.layout().audit_log()).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let made = events.filter(|event| {
        event["objectRef"]["resource"] == "persistentvolumeclaims"
            && event["objectRef"]["name"] == "data"
            && event["user"]["username"] == "admin"
    });
    assert!(made.count() > 0, "the claim that this test made is not in the audit log");
}

/// Whether a new connection from one node's own network to another node's kubelet comes about. It takes a
/// millisecond where the network is whole.
fn reaches(cluster: &Cluster, from: u8, to: u8) -> bool {
    let connect = format!("exec 3<>/dev/tcp/10.88.0.{}/10250", 10 + to);
    cluster.node(from).run(&["timeout", "1", "bash", "-c", &connect]).unwrap().code == Some(0)
}

fn await_writer(cluster: &Cluster) {
    cluster
        .kubectl(&["wait", "-n", "story", "--for=condition=Ready", "pod/writer", "--timeout=60s"])
        .unwrap();
}

fn await_ready(cluster: &Cluster, node: &str, status: &str) {
    let condition = format!("--for=condition=Ready={status}");
    cluster.kubectl(&["wait", &condition, &format!("node/{node}"), "--timeout=60s"]).unwrap();
}

fn in_writer(cluster: &Cluster, script: &str) -> Result<String, Error> {
    cluster.kubectl(&["exec", "-n", "story", "writer", "--", "bash", "-c", script])
}

fn number(text: &str) -> u32 {
    text.trim().trim_end_matches('M').parse().unwrap()
}
