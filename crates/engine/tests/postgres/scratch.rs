//! scratch
use crate::inside::inside;
use crate::world::{Cluster, settings};
use berth_core::{Term, Timeline};
use berth_engine::{Boot, Engine, Quorum};
use std::time::Instant;

#[test]
fn timings() {
    inside("scratch::timings", async || {
        let mut out = String::new();
        let mut cluster = Cluster::serving(Term(1)).await;
        cluster.join(1, Term(1)).await;
        cluster.join(2, Term(1)).await;
        let members: std::collections::BTreeSet<_> = cluster.members.iter().map(|m| m.id.clone()).collect();
        let any = |term| Quorum::Any { acks: 1, members: members.clone(), term: Term(term) };
        let peer = cluster.members[0].peer(Term(1));
        let first = &cluster.members[1];
        for round in 0..8 {
            let t = Instant::now();
            first.engine.detach().await.unwrap();
            let a = t.elapsed();
            let t = Instant::now();
            first.engine.detach().await.unwrap();
            let a2 = t.elapsed();
            let t = Instant::now();
            first.engine.set_quorum(&any(10 + round)).await.unwrap();
            let b = t.elapsed();
            let t = Instant::now();
            first.engine.set_quorum(&any(30 + round)).await.unwrap();
            let b2 = t.elapsed();
            let t = Instant::now();
            first.engine.follow(Some(&peer)).await.unwrap();
            let c = t.elapsed();
            let t = Instant::now();
            first.engine.status().await.unwrap();
            let d = t.elapsed();
            out +=
                &format!("detach {a:?} again {a2:?} quorum {b:?} second {b2:?} follow {c:?} status {d:?}\n");
        }
        // failover chain
        let mut lead = 0;
        for round in 0..6u64 {
            let next = 1 - lead;
            let term = Term(2 + round);
            cluster.members[lead]
                .superuser("INSERT INTO public.written (what) SELECT 'x' FROM generate_series(1,3000)")
                .await;
            if round % 2 == 0 {
                cluster.members[lead].kill()
            } else {
                cluster.members[lead].stop()
            }
            let (a, b, c, c2);
            {
                let m = &cluster.members[next];
                let t = Instant::now();
                let end = m.engine.detach().await.unwrap();
                a = t.elapsed();
                let t = Instant::now();
                m.engine.set_quorum(&any(term.0)).await.unwrap();
                b = t.elapsed();
                let t = Instant::now();
                m.engine.promote(Timeline(end.timeline.0 + 1)).await.unwrap();
                c = t.elapsed();
                let t = Instant::now();
                m.engine.set_quorum(&any(term.0)).await.unwrap();
                c2 = t.elapsed();
            }
            let peer = cluster.members[next].peer(term);
            let t = Instant::now();
            cluster.members[2].engine.follow(Some(&peer)).await.unwrap();
            let f = t.elapsed();
            let old = &mut cluster.members[lead];
            let t = Instant::now();
            old.engine.rewind(&peer).await.unwrap();
            let r = t.elapsed();
            let t = Instant::now();
            old.start(&Boot::Following(peer), &settings(term.0), &Quorum::Nobody).await;
            while !old.engine.status().await.unwrap().receiving {
                tokio::task::yield_now().await;
            }
            let s = t.elapsed();
            out += &format!(
                "failover: detach {a:?} quorum {b:?} promote {c:?} quorum-primary {c2:?} follower {f:?} rewind {r:?} start-to-stream {s:?}\n"
            );
            lead = next;
        }
        panic!("{out}");
    });
}
