//! Credentials: the token, and the brakes on guessing it. A right token is never kept waiting by a wrong one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use simpleclaw_protocol::handshake::{ClientRole, ConnectParams};
use simpleclaw_protocol::{ErrorCode, Scope, WireError};

use crate::home::Token;

/// Failing comparisons that the whole gateway answers as such within [`WINDOW`].
const GLOBAL_CAP: usize = 20;
/// Failing comparisons after which an address off loopback is locked out for the rest of [`WINDOW`].
const ADDRESS_CAP: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(5);
/// Addresses remembered; past it the whole memory of addresses is dropped, the global cap stays.
const MAX_ADDRESSES: usize = 4096;

/// Who is at the other end, fixed for the life of a connection.
#[derive(Debug, Clone)]
pub struct Principal {
    pub name: String,
    pub role: ClientRole,
    /// As granted, for `hello-ok`.
    pub granted: Vec<Scope>,
    /// With what they imply.
    pub scopes: HashSet<Scope>,
}

impl Principal {
    pub fn allows(&self, scope: Scope) -> bool {
        match scope {
            Scope::None => true,
            Scope::WriteOrNode => self.scopes.contains(&Scope::Write) || self.scopes.contains(&Scope::Node),
            Scope::ApprovalsOrRequester => self.allows(Scope::Approvals) || self.allows(Scope::WriteOrNode),
            scope => self.scopes.contains(&scope),
        }
    }
}

/// A refused credential, and how long the answer is held back.
#[derive(Debug)]
pub struct Refused {
    pub error: WireError,
    pub delay: Duration,
}

pub struct Auth {
    token: Token,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    all: VecDeque<Instant>,
    by_address: HashMap<IpAddr, VecDeque<Instant>>,
}

impl Auth {
    pub fn new(token: Token) -> Self {
        Self { token, failures: Mutex::default() }
    }

    /// Checks the credential of a `connect`, and says what it may do.
    pub fn check(&self, params: &ConnectParams, peer: IpAddr, now: Instant) -> Result<Principal, Refused> {
        let Some(given) = params.auth.as_ref().and_then(|auth| auth.token.as_deref()) else {
            let error = WireError::new(
                ErrorCode::Unauthenticated,
                "a token is needed: `simpleclaw token` prints it, and it goes into auth.token",
            );
            return Err(Refused { error, delay: Duration::ZERO });
        };
        if self.token.matches(given) {
            self.lock().by_address.remove(&peer);
            return Ok(principal(params));
        }
        Err(self.refuse(peer, now))
    }

    fn refuse(&self, peer: IpAddr, now: Instant) -> Refused {
        let mut failures = self.lock();
        forget_old(&mut failures.all, now);
        if failures.by_address.len() >= MAX_ADDRESSES {
            failures.by_address.clear();
        }
        let here = failures.by_address.entry(peer).or_default();
        forget_old(here, now);
        let locked = !peer.is_loopback() && here.len() >= ADDRESS_CAP;
        let delay = FIRST_DELAY.saturating_mul(1 << here.len().min(5)).min(LAST_DELAY);
        if here.len() < 64 {
            here.push_back(now);
        }
        if locked || failures.all.len() >= GLOBAL_CAP {
            let mut error = WireError::new(ErrorCode::RateLimited, "too many wrong tokens: wait a minute");
            error.retryable = true;
            error.retry_after_ms = Some(60_000);
            return Refused { error, delay };
        }
        failures.all.push_back(now);
        let error = WireError::new(
            ErrorCode::Unauthenticated,
            "the token is not this gateway's: `simpleclaw token` prints the right one",
        );
        Refused { error, delay }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_old(times: &mut VecDeque<Instant>, now: Instant) {
    while times.front().is_some_and(|time| now.duration_since(*time) > WINDOW) {
        times.pop_front();
    }
}

/// The owner of the token, with what was asked for of all that it holds.
fn principal(params: &ConnectParams) -> Principal {
    let granted: Vec<Scope> = match (params.role, params.scopes.is_empty()) {
        (ClientRole::Node, _) => vec![],
        (ClientRole::Operator, true) => Scope::ALL.to_vec(),
        (ClientRole::Operator, false) => {
            Scope::ALL.into_iter().filter(|scope| params.scopes.iter().any(|name| name == scope.name())).collect()
        }
    };
    let mut scopes: HashSet<Scope> = granted.iter().copied().collect();
    if scopes.contains(&Scope::Admin) {
        scopes.extend(Scope::ALL);
    }
    if scopes.contains(&Scope::Write) {
        scopes.insert(Scope::Read);
    }
    if params.role == ClientRole::Node {
        scopes.insert(Scope::Node);
    }
    Principal { name: "owner".to_owned(), role: params.role, granted, scopes }
}

/// `FORBIDDEN`, naming the scope that is missing.
pub fn forbidden(scope: Scope) -> WireError {
    let name = scope.name();
    WireError::new(ErrorCode::Forbidden, format!("this needs {name}, which the connection does not hold"))
        .details(json!({ "missingScope": name }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use simpleclaw_protocol::handshake::{Auth as Given, ClientInfo};

    const RIGHT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn connect(token: Option<&str>, scopes: &[&str], role: ClientRole) -> ConnectParams {
        ConnectParams {
            min_protocol: 1,
            max_protocol: 1,
            client: ClientInfo::default(),
            role,
            scopes: scopes.iter().map(ToString::to_string).collect(),
            caps: vec![],
            commands: vec![],
            permissions: Default::default(),
            device: None,
            auth: token.map(|token| Given { token: Some(token.into()), device_token: None }),
            locale: None,
            user_agent: None,
        }
    }

    fn auth() -> Auth {
        Auth::new(Token::parse(RIGHT).expect("a token"))
    }

    #[test]
    fn wrong_tokens_wait_longer_each_time_and_a_right_one_never_waits() {
        let (auth, now) = (auth(), Instant::now());
        let home: IpAddr = [127, 0, 0, 1].into();
        let wrong = connect(Some("wrong"), &[], ClientRole::Operator);
        let mut delays = Vec::new();
        for round in 0..50 {
            let refused = auth.check(&wrong, home, now).expect_err("wrong");
            let code = if round < 20 { ErrorCode::Unauthenticated } else { ErrorCode::RateLimited };
            assert_eq!(refused.error.code, code, "round {round}");
            delays.push(refused.delay.as_millis());
        }
        assert_eq!(delays[..7], [250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert!(auth.check(&connect(Some(RIGHT), &[], ClientRole::Operator), home, now).is_ok());
        let later = now + WINDOW + Duration::from_secs(1);
        assert_eq!(auth.check(&wrong, home, later).expect_err("wrong").error.code, ErrorCode::Unauthenticated);
    }

    #[test]
    fn the_global_cap_holds_whatever_the_sender_rotates() {
        let (auth, now) = (auth(), Instant::now());
        let wrong = connect(Some("wrong"), &[], ClientRole::Operator);
        let refused = |n: u8| auth.check(&wrong, [10, 0, 0, n].into(), now).expect_err("wrong").error.code;
        let codes: Vec<_> = (0..100).map(refused).collect();
        assert_eq!(codes.iter().filter(|code| **code == ErrorCode::Unauthenticated).count(), 20);
    }

    #[test]
    fn granted_is_what_was_asked_for_of_what_is_held() {
        let auth = auth();
        let scopes = |asked: &[&str], role| {
            let params = connect(Some(RIGHT), asked, role);
            let mut who = auth.check(&params, [127, 0, 0, 1].into(), Instant::now()).expect("right");
            who.granted.sort_by_key(|scope| scope.name());
            (who.granted.iter().map(|scope| scope.name()).collect::<Vec<_>>(), who)
        };
        assert_eq!(scopes(&[], ClientRole::Operator).0.len(), 5);
        let (names, who) = scopes(&["operator.write", "made.up"], ClientRole::Operator);
        assert_eq!(names, ["operator.write"]);
        assert!(who.allows(Scope::Read) && who.allows(Scope::Write) && !who.allows(Scope::Admin));
        let (names, who) = scopes(&["operator.admin"], ClientRole::Node);
        assert!(names.is_empty() && who.allows(Scope::Node) && !who.allows(Scope::Read));
    }
}
