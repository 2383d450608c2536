//! Steps on the topology's records and users.

use super::{StepError, Work};
use berth_core::MemberId;
use berth_core::plan::Revision;
use berth_core::topology::Intent;

impl Work<'_> {
    pub(super) async fn put_intent(
        &self,
        intent: &Intent,
        expected: Option<Revision>,
    ) -> Result<(), StepError> {
        let expected = expected.map(|revision| berth_topology::Revision(revision.0));
        let revision = self.operator.topology.put_intent(&self.owner.uid, intent, expected).await?;
        self.operator.caches.topology.wrote_intent(&self.owner.uid, intent.clone(), revision);
        Ok(())
    }

    pub(super) async fn ensure_user(&self) -> Result<(), StepError> {
        self.operator.users.ensure(&self.owner.cluster, &self.owner.uid).await?;
        self.operator.caches.topology.made_user(&self.owner.uid, &self.owner.cluster);
        Ok(())
    }

    pub(super) async fn remove_member(&self, member: &MemberId) -> Result<(), StepError> {
        self.operator.topology.remove_member(&self.owner.uid, member).await?;
        self.operator.caches.topology.removed_member(&self.owner.uid, member);
        Ok(())
    }

    /// The user first: a member that is still about somewhere must not write after the records are gone.
    pub(super) async fn remove_records(&self) -> Result<(), StepError> {
        self.operator.users.remove(&self.owner.uid).await?;
        self.operator.topology.remove_cluster(&self.owner.uid, &self.owner.cluster).await?;
        self.operator.caches.topology.removed_cluster(&self.owner.uid);
        Ok(())
    }
}
