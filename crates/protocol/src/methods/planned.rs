//! Rows of the contract that no handler serves yet. Building one moves it to its resource's file.

use super::{PlannedMethod, Scope};

/// Every planned method, in the order of the contract.
pub const PLANNED: &[PlannedMethod] = &[
    PlannedMethod {
        name: "attachments.get",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "agents.create",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "agents.update",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "agents.delete",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "agents.files.list",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "agents.files.get",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "agents.files.set",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "agents.files.delete",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "routing.explain",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "sessions.patch",
        scope: Scope::Write,
    },
    PlannedMethod {
        name: "sessions.delete",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "sessions.compact",
        scope: Scope::Write,
    },
    PlannedMethod {
        name: "sessions.search",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "sessions.export",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "channels.logout",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "channels.start",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "channels.stop",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "channels.pairing.list",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "channels.pairing.approve",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "channels.pairing.dismiss",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "channels.test",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "config.set",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "config.patch",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "config.history",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "config.restore",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "secrets.list",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "secrets.set",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "secrets.remove",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "exec.approval.list",
        scope: Scope::Approvals,
    },
    PlannedMethod {
        name: "exec.approval.request",
        scope: Scope::WriteOrNode,
    },
    PlannedMethod {
        name: "exec.approval.resolve",
        scope: Scope::Approvals,
    },
    PlannedMethod {
        name: "exec.approval.wait",
        scope: Scope::Approvals,
    },
    PlannedMethod {
        name: "exec.approvals.get",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "exec.approvals.set",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "exec.approvals.test",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "exec.approval.history",
        scope: Scope::Approvals,
    },
    PlannedMethod {
        name: "audit.verify",
        scope: Scope::Approvals,
    },
    PlannedMethod {
        name: "providers.test",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "tools.list",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "plugins.list",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "plugins.reload",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "plugins.enable",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "plugins.disable",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "node.list",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "node.describe",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "node.invoke",
        scope: Scope::Write,
    },
    PlannedMethod {
        name: "node.rename",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "node.invoke.result",
        scope: Scope::Node,
    },
    PlannedMethod {
        name: "node.event",
        scope: Scope::Node,
    },
    PlannedMethod {
        name: "node.pair.request",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "node.pair.list",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.pair.list",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.pair.approve",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.pair.reject",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.pair.remove",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.pair.rename",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.pair.setupCode",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.token.rotate",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "device.token.revoke",
        scope: Scope::Pairing,
    },
    PlannedMethod {
        name: "cron.list",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "cron.add",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "cron.update",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "cron.remove",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "cron.run",
        scope: Scope::Admin,
    },
    PlannedMethod {
        name: "cron.runs",
        scope: Scope::Read,
    },
    PlannedMethod {
        name: "usage.summary",
        scope: Scope::Read,
    },
];
