//! The orderly end of a proxy: no new clients, idle sessions go at once, transactions may finish up to a deadline.

use tokio_util::sync::CancellationToken;

/// The two moments of an end.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    begun: CancellationToken,
    cut: CancellationToken,
}

impl Drain {
    /// An end that begins with this token.
    pub fn new(begun: CancellationToken) -> Self {
        Self { begun, cut: CancellationToken::new() }
    }

    /// Waits for the beginning: sessions end as soon as they are idle.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Waits for the deadline: every session ends.
    pub async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// The deadline is here.
    pub fn cut_now(&self) {
        self.cut.cancel();
    }
}
