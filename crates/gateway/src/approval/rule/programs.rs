//! Programs that do whatever their arguments, files or environment say: a rule for one would be a rule for anything.
//!
//! The list can miss one; it is the second line. The first is that a rule is exact, and that a command without a rule
//! runs isolated or asks.

/// What makes a rule for a program worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Shell,
    Interpreter,
    /// Starts other programs that its arguments name.
    Wrapper,
    /// Many programs in one, or one with its own commands, hooks and configuration that start others.
    Many,
}

impl Class {
    /// Follows the name in a sentence.
    pub fn does(self) -> &'static str {
        match self {
            Self::Shell => "is a shell",
            Self::Interpreter => "runs whatever program it is given",
            Self::Wrapper => "starts other programs",
            Self::Many => "can do anything, by its arguments or its configuration",
        }
    }

    /// Whether its arguments name files that it runs.
    pub fn runs_files(self) -> bool {
        !matches!(self, Self::Many)
    }
}

/// Their names take all kinds of endings: `python3.12-dbg`, `perl5.36-x86_64-linux-gnu`, `pypy3`, `nodejs`.
const FAMILIES: [(&str, Class); 16] = [
    ("bash", Class::Shell),
    ("busybox", Class::Wrapper),
    ("powershell", Class::Shell),
    ("pwsh", Class::Shell),
    ("toybox", Class::Wrapper),
    ("guile", Class::Interpreter),
    ("java", Class::Interpreter),
    ("lua", Class::Interpreter),
    ("node", Class::Interpreter),
    ("perl", Class::Interpreter),
    ("php", Class::Interpreter),
    ("pypy", Class::Interpreter),
    ("python", Class::Interpreter),
    ("ruby", Class::Interpreter),
    ("tclsh", Class::Interpreter),
    ("docker", Class::Many),
];

const SHELLS: &str = "\
    ash bash cmd com command csh dash elvish fish hush ion jsh ksh lksh mksh nu nushell oksh osh pdksh posh \
    powershell pwsh rbash rc rksh rzsh sash sh tcsh xonsh yash zsh";

const INTERPRETERS: &str = "\
    awk awkc bpftrace bun bunx chez clisp clojure coffee crystal cscript dart deno dtrace duktape elixir erl \
    escript expect fennel forth gap gawk gforth ghci gjs gosh groovy guile hy iex ipython irb java jexec jimsh jjs \
    js jshell julia kotlin lua luajit m4 mawk maxima mjs mono mujs nawk nim node nodejs ocaml octave osascript \
    perl php phpdbg pike pry pypy python pythonw qjs quickjs r racket raku rhino rscript ruby runghc runhaskell \
    sage sbcl scala scheme stap swift swipl tcc tclsh ts tsx wasmer wasmtime wish wscript";

const WRAPPERS: &str = "\
    agetty authbind binfmt bpf busybox bwrap caffeinate capsh cgexec chpst chronic chroot chrt chvt clush \
    coreutils coz cpulimit daemon daemonize dlv doas dsh dtruss dumb eatmydata entr env envdir exec fakechroot \
    fakeroot faketime find firejail flock gosu gsudo heaptrack hyperfine ifne ionice linux ltrace moreutils \
    mpiexec nice nodemon nohup nsenter numactl parallel pdsh pee pkexec please prlimit proot proxychains pssh pty \
    qemu qsub rlwrap rtkit run runas runcon runit runsv runuser rush sandbox sbatch schroot scriptreplay sem \
    setarch setpriv setsid setuidgid sg softlimit srun startproc stdbuf strace su sudo sudoedit supervisord svc \
    taskset time timeout tini torify torsocks toybox tsocks uftrace uml unbuffer unshare uutils valgrind verynice \
    watch watchexec winpty wsl wsudo xargs xvfb zrun";

const MANY: &str = "\
    adb alacritty ansible ant apk apt aptitude ar as asdf at autoconf automake autossh ava aws az bat batch bats bazel \
    bc bison bitsadmin box brew buck buildah bundle bundler busctl byobu bzr c cabal cargo cc certutil clang clippy \
    cmake cmd composer conda consul containerd cpan cpio cpp crictl cron crontab cscope csi csplit ctags ctest ctr \
    curl cvs cypress cython darcs dbus dc dd deb debuild delta direnv dlp dmenu dnf doctl dotnet dpkg dtach dune dvc \
    dvips ed edit editor elm emacs emacsclient errno esbuild eslint ex exiftool exim f2py fastlane fd firebase flatpak \
    flyctl fnm foot ftp fzf g gallery gcc gcloud gdb gem genisoimage gh ghostscript gimp git gitk global gmake gnuplot \
    go gpg gradle gradlew grunt gs gsutil gtest gtk gulp gzexe helm heroku hg http httpie https hub husky info \
    inotifywait installutil ip iptables jed jenv jest jj joe just k9s karma kind kitty konsole ktutil kubectl \
    kustomize kvm latex launchctl lazygit ld ldd lefthook lein less lftp lldb logrotate lualatex lynx machinectl mail \
    mailx make mamba man maven meson micro minicom minikube mise mix mmdebstrap mocha more mosh mpirun msbuild \
    msgfilter mshta msiexec mtr multitime mvn mvnw mysql n nano nasm nc ncat ncdu neofetch netcat netlify nimble ninja \
    nix nmap nomad nose npm npx nuget nvi nvim nvm nyc odin opam open openssl openvpn opkg p4 packer pacman pager \
    pandoc parcel patch pdb pdflatex pdftex perf phpunit pico pip pipenv pipx pkg playwright pm pnpm pod podman poetry \
    pre prettier psexec psql pulumi pyenv pytest qemu qmlscene rake ranger rbenv rebar reg regsvr rename restic rg \
    rlogin rollup rpm rpmbuild rr rsh rsync rtx rubocop runc rundll rustc rustdoc rustfmt rustup rvim rvm rxvt sapling \
    sbt scons scp screen script sdk sed sendmail service sftp shards shellcheck skaffold skopeo sl smbclient snap \
    socat sort spack split sqlite sqlmap ssh sshfs sshpass ssmtp stack starship start stow svn systemctl systemd tar \
    task tcpdump terminator terraform tex texi tftp tig tilt tldr tmate tmux tofu toolbox tox troff tslint turbo uv \
    uvx vagrant vault vercel vi vidir view vigr vim vimdiff vipe vipw virsh vite vlang volta watchman webpack wget \
    wine winget wmic wrangler xcodebuild xcrun xdg xelatex xetex xh xterm yarn yay youtube yum zathura zellij zig zip \
    zypper";

/// The class of a program, by the name of its file: in any case, with any version, extension, or target. `None` where
/// a rule may be kept.
pub fn class(name: &str) -> Option<Class> {
    let name = name.to_ascii_lowercase();
    let family = FAMILIES.iter().find(|(family, _)| name.starts_with(family)).map(|(_, class)| *class);
    // `x86_64-linux-gnu-gcc-12`, `git-lfs`, `vim.basic`, `ld-linux-x86-64.so.2`: any part of the name counts. That
    // refuses more than it must, and nothing is lost but a rule.
    let parts = || name.split(|sign: char| !sign.is_ascii_alphabetic()).filter(|part| !part.is_empty());
    let listed =
        |list: &str| list.split_ascii_whitespace().any(|listed| listed == name || parts().any(|part| part == listed));
    let by_list = || {
        [(SHELLS, Class::Shell), (INTERPRETERS, Class::Interpreter), (WRAPPERS, Class::Wrapper), (MANY, Class::Many)]
            .into_iter()
            .find(|(list, _)| listed(list))
            .map(|(_, class)| class)
    };
    // The loader runs any program that it is given.
    let loader = name.starts_with("ld-") || name.starts_with("ld.so") || name == "[";
    family.or_else(|| loader.then_some(Class::Wrapper)).or_else(by_list)
}
