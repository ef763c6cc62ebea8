//! A private display, message bus and home, the app in them, and waiting.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use simpleclaw_client::{Client, Options, Token};
use simpleclaw_gateway::{Home, LockFile};
use simpleclaw_protocol::methods::chat::{ChatSend, ChatSendParams};
use tempfile::TempDir;
use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A child that does not outlive its test.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        // Its own group, so that what it started goes with it.
        Self(command.process_group(0).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(self.0.id().try_into().expect("a process id"));
        nix::sys::signal::kill(id, signal).expect("is there");
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("can be asked").is_some()
    }

    pub async fn ended(&mut self) -> ExitStatus {
        until("the process ends", async || self.0.try_wait().expect("can be asked")).await
    }

    fn first_line(&mut self) -> String {
        let out: ChildStdout = self.0.stdout.take().expect("is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a first line");
        line.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(-i32::try_from(self.0.id()).expect("a process id"));
        let _ = nix::sys::signal::kill(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// Everything that a person's session has.
pub struct Session {
    display: String,
    pub bus_address: String,
    // Dropped in this order: the programs before their folder.
    _processes: Vec<Process>,
    folder: TempDir,
}

impl Session {
    /// With a configuration that takes a free port and looks for no model server.
    pub fn start() -> Self {
        let session = Self::without_config();
        session.configure("gateway: {port: 0}\nmodels: {detect: false}\n");
        session
    }

    /// With an empty home.
    pub fn without_config() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let screen = ["-screen", "0", "1280x900x24", "-nolisten", "tcp"];
        let mut xvfb = Command::new("Xvfb");
        let mut xvfb =
            Process::start(xvfb.args(["-displayfd", "1"]).args(screen).stdout(Stdio::piped()).stderr(Stdio::null()));
        let display = format!(":{}", xvfb.first_line());
        let address = format!("--address=unix:path={}", folder.path().join("bus").display());
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address=1", &address]);
        let mut bus = Process::start(bus.stdout(Stdio::piped()).stderr(Stdio::null()));
        let bus_address = bus.first_line();
        for name in ["run", "home", "claw"] {
            std::fs::create_dir(folder.path().join(name)).expect("makes a folder");
        }
        Self { display, bus_address, _processes: vec![bus, xvfb], folder }
    }

    /// As [`Session::start`], with a model whose server never answers, so that a run lasts. It ends with the listener.
    pub fn with_mute_model() -> (Self, TcpListener) {
        let session = Self::without_config();
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = server.local_addr().expect("an address").port();
        let provider = format!("{{api: openai, baseUrl: 'http://127.0.0.1:{port}/v1', models: [{{id: mute}}]}}");
        session
            .configure(&format!("gateway: {{port: 0}}\nmodels: {{detect: false, providers: {{mute: {provider}}}}}\n"));
        (session, server)
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.home().config_path(), text).expect("writes");
    }

    /// The state folder.
    pub fn home(&self) -> Home {
        Home::at(self.folder.path().join("claw"))
    }

    pub fn user_home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A program in this session.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let (home, run) = (self.user_home(), self.folder.path().join("run"));
        let mut command = Command::new(program.as_ref());
        command
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("XDG_CURRENT_DESKTOP")
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus_address)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", run)
            .env("SIMPLECLAW_HOME", self.home().path())
            .envs([("GDK_BACKEND", "x11"), ("LIBGL_ALWAYS_SOFTWARE", "1"), ("NO_AT_BRIDGE", "1")])
            .envs([("GTK_USE_PORTAL", "0"), ("GSETTINGS_BACKEND", "memory")]);
        command
    }

    /// The app's program with these arguments.
    pub fn app_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(app());
        command.args(arguments);
        command
    }

    pub fn app(&self, arguments: &[&str]) -> Process {
        Process::start(&mut self.app_command(arguments))
    }

    /// A window manager: without one no window is given the focus or kept above the others.
    pub async fn window_manager(&self) -> Process {
        let mut openbox = self.command("openbox");
        let process = Process::start(openbox.arg("--sm-disable").stderr(Stdio::null()));
        until("the window manager", async || {
            let answer = self.output("xprop", &["-root", "_NET_SUPPORTING_WM_CHECK"]);
            answer.contains("window id").then_some(())
        })
        .await;
        process
    }

    /// What a program in this session prints.
    fn output(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        let output = command.args(arguments).stderr(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Presses keys, one after the other, as `xdotool` names them. They go to the window that has the focus.
    pub fn press(&self, keys: &[&str]) {
        self.output("xdotool", &[&["key"][..], keys].concat());
    }

    /// What a running gateway says in its lock file.
    pub async fn owner(&self) -> LockFile {
        until("a gateway has the folder", async || self.home().read_lock()).await
    }

    /// A client on the wire.
    pub async fn client(&self) -> Client {
        let owner = self.owner().await;
        let token = self.home().token().expect("a token");
        Client::connect(Options::new(owner.url, Token::new(token.expose()))).await.expect("connects")
    }

    /// Starts a run in the main session.
    pub async fn send(&self, client: &Client, message: &str) {
        let params = ChatSendParams {
            session_key: "main".into(),
            message: message.into(),
            idempotency_key: "run-1".into(),
            ..ChatSendParams::default()
        };
        client.call::<ChatSend>(&params).await.expect("is taken");
    }

    /// The windows of this title that are on the screen.
    fn find_windows(&self, title: &str) -> Vec<u32> {
        let found = self.output("xdotool", &["search", "--onlyvisible", "--name", &format!("^{title}$")]);
        found.lines().map(|id| id.parse().expect("a number")).collect()
    }

    pub fn windows(&self, title: &str) -> usize {
        self.find_windows(title).len()
    }

    /// As the button in its frame does.
    pub fn close_window(&self, title: &str) {
        let [window] = self.find_windows(title)[..] else { panic!("not one window called {title}") };
        let (x, _) = x11rb::connect(Some(&self.display)).expect("a display");
        let atom = |name: &str| x.intern_atom(false, name.as_bytes()).expect("asks").reply().expect("answers").atom;
        let (kind, delete) = (atom("WM_PROTOCOLS"), atom("WM_DELETE_WINDOW"));
        let message = ClientMessageEvent::new(32, window, kind, [delete, 0, 0, 0, 0]);
        x.send_event(false, window, EventMask::NO_EVENT, message).expect("sends").check().expect("is sent");
    }

    /// Whether the only window of this title has the focus of the keyboard.
    pub fn has_focus(&self, title: &str) -> bool {
        let focus = self.output("xdotool", &["getactivewindow"]);
        matches!(self.find_windows(title)[..], [window] if focus == window.to_string())
    }

    pub async fn until_focus(&self, title: &str) {
        until(&format!("the focus on {title}"), async || self.has_focus(title).then_some(())).await;
    }

    /// What the window manager says of the only window of this title: `_NET_WM_STATE_ABOVE` and others.
    pub fn window_state(&self, title: &str) -> String {
        let [window] = self.find_windows(title)[..] else { panic!("not one window called {title}") };
        self.output("xprop", &["-id", &window.to_string(), "_NET_WM_STATE"])
    }

    pub async fn until_windows(&self, title: &str, count: usize) {
        until(&format!("{count} windows called {title}"), async || (self.windows(title) == count).then_some(())).await;
    }
}

/// The program under test.
pub fn app() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_simpleclaw-desktop"))
}
