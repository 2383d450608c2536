//! The API server of the tests.

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio_util::task::TaskTracker;

/// An API in memory. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeApi {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Objects by their path.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Every request that changed something, in order.
    effects: Vec<String>,
    /// After so many effects nothing answers any more.
    breaks_after: Option<usize>,
    /// What is refused: a part of the method and path, and the words.
    refusals: Vec<(String, u16, String)>,
}

impl FakeApi {
    /// A client of this API.
    pub(crate) fn client(&self) -> Client {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let api = self.clone();
        TaskTracker::new().spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let (status, value) = api.state().answer(&parts.method, parts.uri.path(), &query, &body);
                let response = Response::builder()
                    .status(StatusCode::from_u16(status).unwrap())
                    .body(Body::from(value.to_string().into_bytes()))
                    .unwrap();
                answer.send_response(response);
            }
        });
        Client::new(service, "default")
    }

    /// Puts an object there as somebody else would; its uid and version are given to it if it has none.
    pub(crate) fn put(&self, path: &str, mut object: Value) -> Value {
        let mut state = self.state();
        state.stamp(&mut object);
        state.objects.insert(path.to_owned(), object.clone());
        object
    }

    /// An object.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// All objects of one kind.
    pub(crate) fn children(&self, plural: &str) -> Vec<Value> {
        let middle = format!("/{plural}/");
        self.state()
            .objects
            .iter()
            .filter(|(path, _)| path.contains(&middle))
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// The effects so far.
    pub(crate) fn effects(&self) -> Vec<String> {
        self.state().effects.clone()
    }

    /// Lets nothing answer after so many effects; none mends it.
    pub(crate) fn break_after(&self, effects: Option<usize>) {
        let mut state = self.state();
        state.breaks_after = effects.map(|effects| state.effects.len() + effects);
    }

    /// Refuses what method and path contain, with these words.
    pub(crate) fn refuse(&self, what: &str, status: u16, words: &str) {
        self.state().refusals.push((what.to_owned(), status, words.to_owned()));
    }

    /// Refuses nothing any more.
    pub(crate) fn accept_all(&self) {
        self.state().refusals.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn stamp(&mut self, object: &mut Value) {
        self.version += 1;
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
            metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &Value) -> (u16, Value) {
        if self.breaks_after.is_some_and(|limit| self.effects.len() >= limit) {
            return failure(503, "ServiceUnavailable", "broken by the test");
        }
        let line = format!("{method} {path}");
        if let Some((_, status, words)) = self.refusals.iter().find(|(what, ..)| line.contains(what)).cloned()
        {
            let reason = if status == 403 { "Forbidden" } else { "Invalid" };
            return failure(status, reason, &words);
        }
        match *method {
            Method::GET if is_collection(path) => self.list(path, query),
            Method::GET => self.objects.get(path).map_or_else(missing, |object| (200, object.clone())),
            Method::POST => self.create(path, body.clone()),
            Method::PUT => self.replace(path, body.clone()),
            Method::PATCH => self.patch(path, body),
            Method::DELETE => self.delete(path, body),
            _ => failure(405, "MethodNotAllowed", &line),
        }
    }

    fn list(&self, path: &str, query: &str) -> (u16, Value) {
        let uid = query.split("cluster-uid%3D").nth(1).map(|rest| rest.split('&').next().unwrap_or(rest));
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(at, _)| at.starts_with(&format!("{path}/")))
            .map(|(_, object)| object)
            .filter(|object| {
                uid.is_none_or(|uid| object["metadata"]["labels"]["berth.dev/cluster-uid"] == json!(uid))
            })
            .collect();
        (200, json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
    }

    fn create(&mut self, path: &str, mut object: Value) -> (u16, Value) {
        let at = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        if self.objects.contains_key(&at) {
            return failure(409, "AlreadyExists", &format!("{at} already exists"));
        }
        self.effects.push(format!("create {at}"));
        self.stamp(&mut object);
        self.objects.insert(at, object.clone());
        (201, object)
    }

    fn replace(&mut self, path: &str, mut object: Value) -> (u16, Value) {
        let Some(old) = self.objects.get(path) else { return missing() };
        if old["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return failure(409, "Conflict", &format!("{path}: another resourceVersion"));
        }
        object["metadata"]["uid"] = old["metadata"]["uid"].clone();
        self.effects.push(format!("replace {path}"));
        self.stamp(&mut object);
        self.objects.insert(path.to_owned(), object.clone());
        (200, object)
    }

    fn patch(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let at = path.strip_suffix("/status").unwrap_or(path);
        let Some(mut object) = self.objects.get(at).cloned() else { return missing() };
        for precondition in ["uid", "resourceVersion"] {
            let asked = &body["metadata"][precondition];
            if !asked.is_null() && *asked != object["metadata"][precondition] {
                return failure(409, "Conflict", &format!("{at}: another {precondition}"));
            }
        }
        self.effects.push(format!("patch {path}"));
        if path.ends_with("/status") {
            // Applied by one manager alone: what it does not name any more goes.
            object["status"] = body["status"].clone();
        } else {
            merge(&mut object, body);
        }
        self.stamp(&mut object);
        let held = object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        if object["metadata"]["deletionTimestamp"].is_string() && !held {
            self.objects.remove(at);
        } else {
            self.objects.insert(at.to_owned(), object.clone());
        }
        (200, object)
    }

    fn delete(&mut self, path: &str, options: &Value) -> (u16, Value) {
        let Some(mut object) = self.objects.get(path).cloned() else { return missing() };
        for precondition in ["uid", "resourceVersion"] {
            let asked = &options["preconditions"][precondition];
            if !asked.is_null() && *asked != object["metadata"][precondition] {
                return failure(409, "Conflict", &format!("{path}: another {precondition}"));
            }
        }
        self.effects.push(format!("delete {path}"));
        if object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty()) {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            self.stamp(&mut object);
            self.objects.insert(path.to_owned(), object.clone());
        } else {
            self.objects.remove(path);
        }
        (200, object)
    }
}

/// Whether a path names a collection: the names of kinds that we use, at its end.
fn is_collection(path: &str) -> bool {
    ["/pods", "/persistentvolumeclaims", "/storageclasses", "/events", "/secrets"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            if let Value::Object(into) = into {
                into.remove(key);
            }
        } else {
            merge(&mut into[key.as_str()], value);
        }
    }
}

fn missing() -> (u16, Value) {
    failure(404, "NotFound", "not found")
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}),
    )
}
