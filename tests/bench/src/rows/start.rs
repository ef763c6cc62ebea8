//! The program itself: how fast it starts and answers one call, how large it is.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::ensure;

use super::Bench;
use crate::socket::Socket;
use crate::stats::Samples;
use crate::table::Row;
use crate::target::{self, Gateway};

/// From the start of the process to the first `hello-ok`.
pub async fn start(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let rounds = bench.rounds(15);
    let program = bench.program()?;
    let warm_home = target::home(&bench.model)?;
    Gateway::start(program, warm_home.path())?.stop()?;
    let (mut warm, mut fresh) = (Samples::default(), Samples::default());
    for _ in 0..rounds {
        let fresh_home = target::home(&bench.model)?;
        for (home, samples) in [(&warm_home, &mut warm), (&fresh_home, &mut fresh)] {
            let began = Instant::now();
            let gateway = Gateway::start(program, home.path())?;
            Socket::open(&gateway.target).await?;
            samples.push(began.elapsed());
            gateway.stop()?;
        }
    }
    let (warm, fresh) = (warm.at(0.5), fresh.at(0.5));
    Ok(vec![
        Row::new("process start to hello-ok, p50", format!("{warm:.1} ms")).budget("<= 50 ms", warm <= 50.0),
        Row::new("process start to hello-ok on a fresh home, p50", format!("{fresh:.1} ms"))
            .budget("<= 120 ms", fresh <= 120.0),
    ])
}

pub async fn size(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let megabytes = std::fs::metadata(bench.program()?)?.len() as f64 / 1e6;
    Ok(vec![
        Row::new("release binary, headless, stripped", format!("{megabytes:.1} MB"))
            .budget("<= 25 MB", megabytes <= 25.0),
    ])
}

/// One command against the running gateway, process start included.
pub async fn cli(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let (program, home) = (bench.program()?, bench.home()?);
    let mut samples = Samples::default();
    for _ in 0..bench.rounds(30) {
        let mut command = Command::new(program);
        command.args(["status", "--json"]).env("SIMPLECLAW_HOME", home).stdout(Stdio::null());
        let began = Instant::now();
        ensure!(command.status()?.success(), "`simpleclaw status` failed");
        samples.push(began.elapsed());
    }
    let p50 = samples.at(0.5);
    Ok(vec![Row::new("CLI call (status), p50", format!("{p50:.1} ms")).budget("<= 30 ms", p50 <= 30.0)])
}
