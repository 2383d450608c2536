//! Who is who in a simulated cluster: a letter for each member, and the identities and addresses that production code knows it by.

use berth_core::topology::Identity;
use berth_core::{ClaimUid, ClusterRef, ClusterUid, MemberId, Nonce};
use std::fmt;

/// A member. Letters are given once, so that a member that took a lost one's place is another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who(pub u8);

impl Who {
    /// `a`, `b`, `c` and so on.
    pub fn letter(self) -> char {
        char::from(b'a' + self.0.min(25))
    }

    /// As the topology knows it.
    pub fn member(self) -> MemberId {
        valid(MemberId::new(format!("orders-{}", self.letter().to_string().repeat(5))))
    }

    /// With its claim. Each member has one claim for all its life.
    pub fn identity(self) -> Identity {
        Identity { member: self.member(), claim: valid(ClaimUid::new(format!("claim-{}", self.letter()))) }
    }

    /// Whom a member's id names.
    pub fn of(member: &MemberId) -> Option<Self> {
        let letter = *member.short().as_bytes().first()?;
        letter.is_ascii_lowercase().then(|| Self(letter - b'a'))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letter().fmt(f)
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letter().fmt(f)
    }
}

/// Where a member's pod is reached. A pod that comes anew has another address, and nobody has the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The member.
    pub who: Who,
    /// The number of its pod.
    pub pod: u32,
}

impl Address {
    /// Where its database is reached.
    pub fn database(self) -> String {
        format!("{self}:5432")
    }

    /// Where its agent is reached.
    pub fn peer(self) -> String {
        format!("{self}:5433")
    }

    /// The address in a text that one of the above made.
    pub fn parse(text: &str) -> Option<Self> {
        let (letter, rest) = text.split_once('.')?;
        let letter = *letter.as_bytes().first()?;
        let pod = rest.split_once(':')?.0.parse().ok()?;
        letter.is_ascii_lowercase().then(|| Self { who: Who(letter - b'a'), pod })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.who, self.pod)
    }
}

/// The cluster as tenants name it.
pub fn cluster() -> ClusterRef {
    valid("shop/orders".parse())
}

/// The incarnation of the cluster.
pub fn cluster_uid() -> ClusterUid {
    valid(ClusterUid::new("u1"))
}

/// A value used once.
pub fn nonce(number: u32) -> Nonce {
    valid(Nonce::new(format!("n{number}")))
}

#[expect(clippy::expect_used, reason = "every text that is made here keeps the rules of its kind")]
fn valid<T>(made: Result<T, berth_core::ids::InvalidId>) -> T {
    made.expect("a name made here is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_whom_they_were_made_for() {
        let who = Who(2);
        assert_eq!(Who::of(&who.member()), Some(who));
        let address = Address { who, pod: 17 };
        assert_eq!(Address::parse(&address.database()), Some(address));
        assert_eq!(Address::parse(&address.peer()), Some(address));
        assert_eq!(Address::parse("c:5432"), None);
    }
}
