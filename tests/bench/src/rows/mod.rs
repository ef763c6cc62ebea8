//! What is measured, in which order, and against which budget. Each group is a file.

mod cost;
mod lists;
mod requests;
mod send;
mod start;
mod stream;

use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::future::BoxFuture;

use crate::table::{self, Row};
use crate::target::{self, Gateway, Target};
use crate::{Args, model};

/// What every group may use.
pub struct Bench {
    /// Of a gateway of our own.
    program: Option<PathBuf>,
    /// Base address of the scripted model.
    model: String,
    quick: bool,
    target: Target,
    home: Option<tempfile::TempDir>,
    gateway: Option<Gateway>,
}

impl Bench {
    /// `long`, or less where the measuring is to be quick.
    fn rounds(&self, long: usize) -> usize {
        if self.quick { (long / 5).max(1) } else { long }
    }

    fn program(&self) -> anyhow::Result<&std::path::Path> {
        self.program.as_deref().context("needs a gateway that is started here")
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.target.pid.context("needs --pid")
    }

    fn home(&self) -> anyhow::Result<&std::path::Path> {
        self.home.as_ref().map(tempfile::TempDir::path).context("needs a gateway that is started here")
    }

    /// Ends the gateway, lets `change` at its home, and starts it again.
    async fn restart(
        &mut self,
        change: impl AsyncFnOnce(&std::path::Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let gateway = self.gateway.take().context("needs a gateway that is started here")?;
        gateway.stop()?;
        change(self.home()?).await?;
        let gateway = Gateway::start(self.program()?, self.home()?)?;
        self.target = gateway.target.clone();
        self.gateway = Some(gateway);
        Ok(())
    }
}

type Rows<'a> = BoxFuture<'a, anyhow::Result<Vec<Row>>>;
/// A name to choose it by, and what it measures.
type Group = (&'static str, for<'a> fn(&'a mut Bench) -> Rows<'a>);

/// Idle memory comes before anything has warmed up, the seeded history last.
const GROUPS: &[Group] = &[
    ("start", |bench| Box::pin(start::start(bench))),
    ("size", |bench| Box::pin(start::size(bench))),
    ("idle", |bench| Box::pin(cost::idle(bench))),
    ("requests", |bench| Box::pin(requests::requests(bench))),
    ("send", |bench| Box::pin(send::send(bench))),
    ("stream", |bench| Box::pin(stream::stream(bench))),
    ("stop", |bench| Box::pin(stream::stop(bench))),
    ("cli", |bench| Box::pin(start::cli(bench))),
    ("curve", |bench| Box::pin(cost::curve(bench))),
    ("lists", |bench| Box::pin(lists::lists(bench))),
];

pub async fn run(args: &Args) -> anyhow::Result<()> {
    let model = model::serve().await?;
    let (home, gateway, target) = match (&args.url, &args.token_file, &args.program) {
        (Some(url), Some(file), _) => {
            let token = std::fs::read_to_string(file)?.trim().to_owned();
            (None, None, Target { url: url.clone(), token, pid: args.pid })
        }
        (_, _, Some(program)) => {
            let home = target::home(&model)?;
            let gateway = Gateway::start(program, home.path())?;
            let target = gateway.target.clone();
            (Some(home), Some(gateway), target)
        }
        _ => anyhow::bail!("give --program, or --url and --token-file"),
    };
    let program = if args.url.is_none() { args.program.clone() } else { None };
    let mut bench = Bench { program, model, quick: args.quick, target, home, gateway };
    let wanted = |name: &str| args.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    table::head();
    for (name, group) in GROUPS.iter().filter(|(name, _)| wanted(name)) {
        match group(&mut bench).await {
            Ok(rows) => rows.iter().for_each(table::print),
            Err(error) => table::print(&Row::new(*name, format!("not measured: {error:#}"))),
        }
    }
    Ok(())
}
