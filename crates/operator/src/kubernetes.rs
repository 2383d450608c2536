//! Every call to the Kubernetes API that is not a watch goes through here: limited, timed, and refused once this process no
//! longer leads.
//!
//! There is one retry policy, the controller's: a failed call ends the reconcile of its cluster, which comes back later. So kube's own retries are
//! switched off, and nothing here tries twice.

mod error;
mod limiter;

pub(crate) use error::{CallError, Refusal};
pub(crate) use limiter::Limiter;

use crate::leadership::Tenure;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// The field manager of everything that the operator applies.
pub(crate) const FIELD_MANAGER: &str = "berth-operator";
/// How long one call may take. An API server under load answers in under a second; its own limit is a minute, and a cluster should not wait for that.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that leaves retries to the controller. Its watches end by the API server's own timeout.
pub(crate) async fn client() -> Result<Client, kube::Error> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(CALL_TIMEOUT);
    config.default_retry = false;
    Client::try_from(config)
}

/// What one version of one object is: the precondition of a delete and of a careful write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// The object's uid.
    pub(crate) uid: String,
    /// Its resource version.
    pub(crate) resource_version: String,
}

/// The way to the Kubernetes API.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    client: Client,
    limiter: Limiter,
    tenure: Tenure,
}

impl Kubernetes {
    /// Calls through `client`, at the limiter's pace, with effects only while `tenure` lasts.
    pub(crate) fn new(client: Client, limiter: Limiter, tenure: Tenure) -> Self {
        Self { client, limiter, tenure }
    }

    /// The client underneath, for watches.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Reads an object with a quorum read; `None` if it is not there.
    pub(crate) async fn get<K>(&self, api: Api<K>, name: &str) -> Result<Option<K>, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        self.call::<K, _>("get", name, api.get_opt(name)).await
    }

    /// Lists with a quorum read.
    pub(crate) async fn list<K>(&self, api: Api<K>, which: &ListParams) -> Result<Vec<K>, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let name = which.label_selector.as_deref().or(which.field_selector.as_deref()).unwrap_or("all");
        Ok(self.call::<K, _>("list", name, api.list(which)).await?.items)
    }

    /// Creates an object; fails if its name is taken.
    pub(crate) async fn create<K>(&self, api: Api<K>, object: &K) -> Result<K, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.effect::<K, _>("create", &name, api.create(&parameters, object)).await
    }

    /// A merge patch of single fields of an object that somebody else made.
    pub(crate) async fn merge<K, P>(&self, api: Api<K>, name: &str, patch: &P) -> Result<K, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
        P: Serialize + Debug,
    {
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.effect::<K, _>("patch", name, api.patch(name, &parameters, &Patch::Merge(patch))).await
    }

    /// Server-side apply of the status.
    pub(crate) async fn apply_status<K, P>(&self, api: Api<K>, name: &str, patch: &P) -> Result<K, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
        P: Serialize + Debug,
    {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.effect::<K, _>(
            "apply status of",
            name,
            api.patch_status(name, &parameters, &Patch::Apply(patch)),
        )
        .await
    }

    /// Deletes exactly this version of an object, and returns it if it is still there, on its way out. Absent is success.
    pub(crate) async fn delete<K>(
        &self,
        api: Api<K>,
        name: &str,
        version: &Version,
    ) -> Result<Option<K>, CallError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(version.uid.clone()),
                resource_version: Some(version.resource_version.clone()),
            }),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match self.effect::<K, _>("delete", name, api.delete(name, &parameters)).await {
            Ok(answer) => Ok(answer.left()),
            Err(error) if error.is(Refusal::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A call that changes something: only while this process leads.
    async fn effect<K, T>(
        &self,
        verb: &'static str,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError>
    where
        K: Resource<DynamicType = ()>,
    {
        if !self.tenure.holds() {
            return Err(CallError::NotLeading {
                verb,
                kind: K::kind(&()).into_owned(),
                name: name.to_owned(),
            });
        }
        self.call::<K, T>(verb, name, call).await
    }

    /// Any call: paced and timed, its failure named.
    async fn call<K, T>(
        &self,
        verb: &'static str,
        name: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CallError>
    where
        K: Resource<DynamicType = ()>,
    {
        self.limiter.wait().await;
        let kind = K::kind(&()).into_owned();
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(CallError::new(verb, kind, name, source)),
            Err(_) => Err(CallError::Timeout { verb, kind, name: name.to_owned(), after: CALL_TIMEOUT }),
        }
    }
}
