//! How much may happen in what the checker looks through.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What may still happen on a path. As text: `lasts=MILLISECONDS,kills=1` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// How long a path may go on, by its clock.
    pub lasts: Duration,
    /// Rows that tenants write, each wherever tenants are let in.
    pub rows: u8,
    /// Servers that are killed.
    pub kills: u8,
    /// Machines that lose power; they may come back at any time, or never.
    pub outages: u8,
    /// Agents that die, each with the effect that it was at done or not, and are started again at once.
    pub restarts: u8,
    /// Messages between members that are lost.
    pub losses: u8,
    /// Things of any kind (a message, an effect, a stream, a word of the store, a waking) that happen only after all else that is under way.
    pub delays: u8,
    /// Steps of the clock that come before what was delayed.
    pub hurries: u8,
    /// Members that are cut off from the others and from the store, and are reached again at any time, or never.
    pub cuts: u8,
    /// Agents that stand still, and go on at any time, or never.
    pub freezes: u8,
    /// Switchovers that are asked for.
    pub switchovers: u8,
    /// Changes of how many acknowledge.
    pub resizes: u8,
}

impl Bounds {
    /// Nothing happens.
    pub const NONE: Self = Self {
        lasts: Duration::ZERO,
        rows: 0,
        kills: 0,
        outages: 0,
        restarts: 0,
        losses: 0,
        delays: 0,
        hurries: 0,
        cuts: 0,
        freezes: 0,
        switchovers: 0,
        resizes: 0,
    };

    fn counts(&mut self) -> [(&'static str, &mut u8); 11] {
        [
            ("rows", &mut self.rows),
            ("kills", &mut self.kills),
            ("outages", &mut self.outages),
            ("restarts", &mut self.restarts),
            ("losses", &mut self.losses),
            ("delays", &mut self.delays),
            ("hurries", &mut self.hurries),
            ("cuts", &mut self.cuts),
            ("freezes", &mut self.freezes),
            ("switchovers", &mut self.switchovers),
            ("resizes", &mut self.resizes),
        ]
    }
}

impl FromStr for Bounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bounds = Self::NONE;
        for word in text.split(',') {
            let odd = || format!("{word:?} is no bound; say lasts=MILLISECONDS, or one of: {}", Self::NONE);
            let (name, value) = word.split_once('=').ok_or_else(odd)?;
            if name == "lasts" {
                bounds.lasts = Duration::from_millis(value.parse().map_err(|_| odd())?);
                continue;
            }
            let mut counts = bounds.counts().into_iter();
            let (_, count) = counts.find(|(known, _)| *known == name).ok_or_else(odd)?;
            *count = value.parse().map_err(|_| odd())?;
        }
        Ok(bounds)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lasts={}", self.lasts.as_millis())?;
        let mut copy = *self;
        let all = copy == Self::NONE;
        copy.counts()
            .into_iter()
            .filter(|(_, count)| all || **count > 0)
            .try_for_each(|(name, count)| write!(f, ",{name}={count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_written_and_nonsense_is_refused() {
        let text = "lasts=1500,rows=1,kills=2,delays=1";
        assert_eq!(text.parse::<Bounds>().unwrap().to_string(), text);
        for odd in ["", "kills", "kills=many", "kils=1", "kills=300"] {
            assert!(odd.parse::<Bounds>().is_err(), "{odd}");
        }
    }
}
