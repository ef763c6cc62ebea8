//! How a person may change a rule: narrower than it is, never wider. Whatever a client sends is held against the rule
//! that the gateway proposed or has kept.

use simpleclaw_protocol::Timestamp;
use simpleclaw_protocol::approval::ApprovalRule;
use simpleclaw_protocol::methods::approvals::RuleDraft;

use super::rule::Rule;
use crate::home::hex;

/// The rule that an answer leaves: the proposed one, or what the person made of it.
pub fn answered(proposed: &ApprovalRule, draft: Option<&RuleDraft>, now: i64) -> Result<ApprovalRule, String> {
    let rule = match draft {
        None => proposed.clone(),
        Some(draft) => narrowed(proposed, draft, now)?,
    };
    let id = hex(&rand::random::<[u8; 16]>());
    checked(ApprovalRule { id, created_at: Some(Timestamp(now)), ..rule })
}

/// A kept rule as a person wants it from now on.
pub fn changed(kept: &ApprovalRule, draft: &RuleDraft, now: i64) -> Result<ApprovalRule, String> {
    checked(narrowed(kept, draft, now)?)
}

/// With its words, where it is one of the rules that there may be.
fn checked(rule: ApprovalRule) -> Result<ApprovalRule, String> {
    let rule = stored(&rule);
    rule.check().map_err(|error| error.to_string())?;
    Ok(rule.shown())
}

/// A proposed rule with its agent, whom `decide` does not know.
pub fn of_agent(rule: ApprovalRule, agent_id: &str) -> ApprovalRule {
    stored(&ApprovalRule { agent_id: agent_id.to_owned(), ..rule }).shown()
}

/// A rule as it was kept, for `decide`.
pub fn stored(rule: &ApprovalRule) -> Rule {
    Rule {
        id: rule.id.clone(),
        agent_id: rule.agent_id.clone(),
        folder: rule.folder.as_ref().map(Into::into),
        program: rule.program.clone(),
        argv: rule.argv.clone(),
        prefix: rule.prefix,
        network: rule.network,
        // Rules of earlier versions do not say: the narrower.
        sandboxed: rule.sandboxed.unwrap_or(true),
        created_at: rule.created_at.unwrap_or_default().0,
        expires_at: rule.expires_at.map(|at| at.0),
    }
}

/// What `draft` says, where `rule` covers all of it.
fn narrowed(rule: &ApprovalRule, draft: &RuleDraft, now: i64) -> Result<ApprovalRule, String> {
    let wider = |what: &str| Err(format!("{what} would make it another or a wider rule; it can only be made narrower"));
    if draft.agent_id.as_ref().is_some_and(|agent| !agent.is_empty() && *agent != rule.agent_id) {
        return wider("another agent");
    }
    if draft.program != rule.program {
        return wider("another program");
    }
    // A rule holds in its one folder, not below it.
    if draft.folder != rule.folder {
        return wider("another folder");
    }
    let covered = match (rule.prefix, draft.argv.strip_prefix(rule.argv.as_slice())) {
        // As `Rule::covers` has it: no words that could be options, or files.
        (true, Some(more)) => !more.iter().any(|word| word.starts_with(['-', '+', '@', '/'])),
        (false, Some([])) => !draft.prefix,
        _ => false,
    };
    if !covered {
        return wider("other words");
    }
    if draft.network && !rule.network {
        return wider("the network");
    }
    if draft.sandboxed == Some(false) && rule.sandboxed != Some(false) {
        return wider("no sandbox");
    }
    match (rule.expires_at, draft.expires_at) {
        (Some(_), None) => return wider("no end"),
        (Some(kept), Some(wanted)) if wanted > kept => return wider("a later end"),
        (_, Some(wanted)) if wanted.0 <= now => return Err("the rule would have ended already".to_owned()),
        _ => {}
    }
    Ok(ApprovalRule {
        argv: draft.argv.clone(),
        prefix: draft.prefix,
        network: draft.network,
        sandboxed: draft.sandboxed.or(rule.sandboxed),
        expires_at: draft.expires_at,
        ..rule.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> ApprovalRule {
        ApprovalRule {
            id: "r".to_owned(),
            agent_id: "main".to_owned(),
            folder: Some("/work/a".to_owned()),
            program: "/usr/bin/ls".to_owned(),
            argv: vec!["ls".to_owned(), "docs".to_owned()],
            prefix: true,
            network: true,
            sandboxed: Some(true),
            words: "old".to_owned(),
            created_at: Some(Timestamp(5)),
            expires_at: Some(Timestamp(1_000)),
        }
    }

    fn draft() -> RuleDraft {
        let rule = rule();
        RuleDraft {
            id: Some(rule.id),
            agent_id: Some(rule.agent_id),
            folder: rule.folder,
            program: rule.program,
            argv: rule.argv,
            prefix: rule.prefix,
            network: rule.network,
            sandboxed: rule.sandboxed,
            words: None,
            created_at: None,
            expires_at: rule.expires_at,
        }
    }

    #[test]
    fn the_same_or_less_is_taken_and_nothing_more() {
        let now = 100;
        let same = changed(&rule(), &draft(), now).expect("the same");
        assert_eq!(ApprovalRule { words: "old".to_owned(), ..same }, rule());
        let narrower: [fn(&mut RuleDraft); 4] = [
            |draft| draft.prefix = false,
            |draft| draft.argv.push("one".to_owned()),
            |draft| draft.network = false,
            |draft| draft.expires_at = Some(Timestamp(101)),
        ];
        for (place, change) in narrower.into_iter().enumerate() {
            let mut draft = draft();
            change(&mut draft);
            let changed = changed(&rule(), &draft, now);
            let changed = changed.unwrap_or_else(|words| panic!("{place}: {words}"));
            assert_eq!((changed.id.as_str(), changed.created_at), ("r", Some(Timestamp(5))), "{place}");
            assert_ne!(changed.words, "old", "{place}");
        }
        let wider: [fn(&mut RuleDraft); 14] = [
            |draft| draft.agent_id = Some("other".to_owned()),
            |draft| draft.program = "/usr/bin/sh".to_owned(),
            |draft| drop(draft.argv.pop()),
            |draft| draft.argv[1] = "doc".to_owned(),
            |draft| draft.argv.clear(),
            |draft| draft.folder = None,
            |draft| draft.folder = Some("/work".to_owned()),
            |draft| draft.folder = Some("/work/a/b".to_owned()),
            |draft| draft.argv.push("--option".to_owned()),
            |draft| draft.argv.push("/etc/passwd".to_owned()),
            |draft| draft.expires_at = None,
            |draft| draft.expires_at = Some(Timestamp(1_001)),
            |draft| draft.expires_at = Some(Timestamp(100)),
            |draft| draft.sandboxed = Some(false),
        ];
        for (place, change) in wider.into_iter().enumerate() {
            let mut draft = draft();
            change(&mut draft);
            assert!(changed(&rule(), &draft, now).is_err(), "{place}: {draft:?}");
        }
        let offline = ApprovalRule { network: false, ..rule() };
        assert!(changed(&offline, &draft(), now).is_err(), "the network");
        let exact = ApprovalRule { prefix: false, ..rule() };
        assert!(changed(&exact, &draft(), now).is_err(), "a prefix of what is exact");
        let mut longer = draft();
        (longer.prefix, longer.argv) = (false, vec!["ls".to_owned(), "docs".to_owned(), "x".to_owned()]);
        assert!(changed(&exact, &longer, now).is_err(), "other arguments than the exact ones");
    }

    /// A rule that an earlier version kept does not say whether it was made for a sandbox.
    #[test]
    fn a_rule_of_an_earlier_version_is_for_the_sandbox() {
        let mut kept = serde_json::to_value(rule()).expect("JSON");
        kept.as_object_mut().expect("an object").remove("sandboxed");
        let kept: ApprovalRule = serde_json::from_value(kept).expect("a rule");
        assert_eq!(kept.sandboxed, None);
        assert!(stored(&kept).sandboxed);
        let to = |sandboxed| changed(&kept, &RuleDraft { sandboxed, ..draft() }, 100).map(|rule| rule.sandboxed);
        assert_eq!((to(None), to(Some(true))), (Ok(Some(true)), Ok(Some(true))));
        assert!(to(Some(false)).is_err());
        // Whoever does not know of it changes nothing.
        let open = ApprovalRule { sandboxed: Some(false), ..rule() };
        let to = |sandboxed| changed(&open, &RuleDraft { sandboxed, ..draft() }, 100).map(|rule| rule.sandboxed);
        assert_eq!((to(None), to(Some(true))), (Ok(Some(false)), Ok(Some(true))));
    }

    #[test]
    fn an_answer_makes_a_rule_of_its_own() {
        let made =
            answered(&ApprovalRule { id: String::new(), created_at: None, ..rule() }, None, 7).expect("as proposed");
        assert_eq!((made.id.len(), made.created_at), (32, Some(Timestamp(7))));
        assert!(
            made.words.contains("1970-01-01T00:00:01.000Z") && made.words.contains("/usr/bin/ls"),
            "{}",
            made.words
        );
        let shell = ApprovalRule { program: "/usr/bin/bash".to_owned(), ..rule() };
        assert!(answered(&shell, None, 7).is_err(), "no rule for a shell, whoever proposed it");
    }
}
