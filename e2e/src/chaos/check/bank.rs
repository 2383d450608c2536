//! Accounts between which money is moved: the sum never changes, and at the end the balances are what the ledger says.

use super::{Finding, Wrong};

/// How many accounts there are.
pub const ACCOUNTS: usize = 8;
/// What each has at the beginning.
pub const OPENING: i64 = 1000;

/// A transfer as the ledger has it: from which account, to which, how much.
pub type Transfer = (usize, usize, i64);

/// The sum of all balances at one moment.
pub fn sum(sum: i64) -> Option<Finding> {
    let expected = OPENING * i64::try_from(ACCOUNTS).unwrap_or(i64::MAX);
    (sum != expected)
        .then(|| Finding::new(Wrong::Sum, format!("all balances together are {sum}, not {expected}")))
}

/// The balances at the end, with all that the ledger has: a transfer is there whole or not at all.
pub fn balances(balances: &[i64], ledger: &[Transfer]) -> Vec<Finding> {
    let mut expected = vec![OPENING; ACCOUNTS];
    for (from, to, amount) in ledger {
        if let Some(balance) = expected.get_mut(*from) {
            *balance -= amount;
        }
        if let Some(balance) = expected.get_mut(*to) {
            *balance += amount;
        }
    }
    if balances == expected {
        return Vec::new();
    }
    vec![Finding::new(Wrong::Sum, format!("balances are {balances:?}, and the ledger makes {expected:?}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_constant() {
        assert_eq!(sum(8000), None);
        assert_eq!(sum(7990).map(|f| f.wrong), Some(Wrong::Sum));
    }

    #[test]
    fn half_a_transfer_is_found() {
        let ledger = [(0, 1, 10), (1, 2, 5)];
        let mut there = vec![990, 1005, 1005, 1000, 1000, 1000, 1000, 1000];
        assert_eq!(balances(&there, &ledger), []);
        assert_eq!(balances(&there, &ledger[..1]).len(), 1, "money moved without a line in the ledger");
        there[2] = 1000;
        assert_eq!(balances(&there, &ledger).len(), 1, "taken, and never given");
    }
}
