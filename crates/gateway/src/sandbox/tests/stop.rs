//! Commands that will not stop.

use std::time::Instant;

use super::*;

/// Forks a tree, leaves session and parent, ignores what can be ignored, prints without end.
const STUBBORN: &str = r#"use POSIX; $SIG{$_} = "IGNORE" for qw(TERM INT HUP QUIT TSTP USR1 PIPE ALRM);
    for my $n (1..4) { if (!fork) { setsid if $n % 2; if (!fork) { setsid; if (!fork) { $leaf = 1; last } exit } last } }
    $| = 1; while (1) { print "on and on " x 100; select(undef, undef, undef, 0.01) if $leaf; if ($leaf && !fork) { select(undef, undef, undef, 0.05); exit } 1 while waitpid(-1, 1) > 0 }"#;

fn word(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_moment_everything_ends() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let (place, mut longest) = (Place::new(), Duration::ZERO);
        for round in 0..12_u64 {
            let word = word("stubborn");
            let mut running = place.start(mechanism, &["perl", "-e", STUBBORN, &word]).await;
            tokio::time::sleep(Duration::from_millis(round * 37 % 400)).await;
            let began = Instant::now();
            running.freeze().await;
            let moving: Vec<_> = marked(&word).into_iter().filter(|(_, state)| !"TtD".contains(*state)).collect();
            assert!(moving.is_empty(), "{mechanism:?} round {round}: {moving:?}");
            running.kill().await;
            longest = longest.max(began.elapsed());
            assert!(marked(&word).is_empty(), "{mechanism:?} round {round}");
            assert_eq!(running.ended().await.reason, Reason::Stopped, "{mechanism:?}");
        }
        // The promise is two seconds; the bound leaves a busy machine its time.
        eprintln!("{mechanism:?}: all ended within {longest:?}");
        assert!(longest < Duration::from_secs(10), "{mechanism:?} took {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_session_and_parent_ends_with_the_command() {
    let script = "use POSIX; if (!fork) { setsid; if (!fork) { exec 'sh', '-c', 'sleep 300; true', $ARGV[0] } exit } wait; exit 0";
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let (place, word) = (Place::new(), word("daemon"));
        let ended = place.run(mechanism, &["perl", "-e", script, &word]).await;
        assert_eq!((ended.reason, ended.code), (Reason::Exited, Some(0)), "{mechanism:?}");
        assert!(marked(&word).is_empty(), "{mechanism:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_holds_it_nothing_that_runs() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        for by_supervisor in [false, true] {
            let (place, word) = (Place::new(), word("forgotten"));
            let running = place.start(mechanism, &["sh", "-c", "sleep 300; true", &word]).await;
            let kept = by_supervisor.then_some(running);
            if by_supervisor {
                assert!(place.supervisor.drain(Duration::from_secs(2)).await, "{mechanism:?}");
            }
            let until = Instant::now() + Duration::from_secs(2);
            while !marked(&word).is_empty() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert!(marked(&word).is_empty(), "{mechanism:?}");
            drop(kept);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_end_it_and_say_which() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let place = Place::new();
        let base = place.launch(mechanism);
        let with = |limits: Limits| Launch { limits, ..base.clone() };

        let launch = with(Limits { timeout: Duration::from_millis(300), ..limits() });
        let mut running =
            place.launched(mechanism, launch, &["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]).await;
        assert_eq!(running.ended().await.reason, Reason::Timeout, "{mechanism:?}");

        let bomb = "for (1..200) { if (!fork) { sleep 30; exit } } sleep 30";
        let launch = with(Limits { processes: 20, ..limits() });
        let ended = place.launched(mechanism, launch, &["perl", "-e", bomb]).await.ended().await;
        assert_eq!(ended.reason, Reason::Processes, "{mechanism:?} {}", ended.output.text());

        let hungry = r#"my @all; push @all, "x" x 1_000_000 for 1..400; print "fed"; sleep 3"#;
        let launch = with(Limits { memory_bytes: 100_000_000, ..limits() });
        let ended = place.launched(mechanism, launch, &["perl", "-e", hungry]).await.ended().await;
        assert!(!ended.output.text().contains("fed") && ended.code != Some(0), "{mechanism:?} {ended:?}");

        let core = place.run(mechanism, &["sh", "-c", "ulimit -c"]).await;
        assert_eq!(core.output.text(), "0\n", "{mechanism:?}");

        let loud = r#"print "begin"; print "x" x 100_000 for 1..50; print "end""#;
        let ended = place.run(mechanism, &["perl", "-e", loud]).await;
        let text = ended.output.text();
        assert_eq!((ended.reason, ended.output.total), (Reason::Exited, 5_000_008), "{mechanism:?}");
        assert!(text.starts_with("begin") && text.ends_with("end") && text.len() < (1 << 20) + 100, "{mechanism:?}");
    }
}
