//! Why a connection or a call failed.

use std::time::Duration;

use simpleclaw_protocol::{ErrorCode, WireError};

/// Why there is no connection: it could not be opened, or an open one ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one that can be connected to; `wss` is not spoken here.
    #[error("not a gateway address: {0}")]
    Url(String),
    /// No TCP connection, or it broke.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(String),
    /// Something answered HTTP, but not with a WebSocket of this protocol.
    #[error("the address answers HTTP {0} instead of a WebSocket")]
    Upgrade(u16),
    /// The gateway answered `connect` with an error: wrong token, wrong protocol version, stopping.
    #[error("the gateway refused the connection: {0}")]
    Refused(WireError),
    /// The gateway closed; without a `code` it did so without a close frame.
    #[error("the gateway closed the connection: {reason}")]
    Closed { code: Option<u16>, reason: String },
    /// Nothing came for so long.
    #[error("nothing came from the gateway within {0:?}")]
    Timeout(Duration),
    /// What came is not protocol 1.
    #[error("the gateway does not speak this protocol: {0}")]
    Protocol(String),
}

impl ConnectError {
    /// Whether trying again cannot help: the same URL and credential would be refused again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Url(_) => true,
            Self::Upgrade(status) => *status == 403,
            Self::Refused(error) => {
                matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::Forbidden | ErrorCode::InvalidRequest)
            }
            // 1002: the protocol version; 4001: the credential was revoked.
            Self::Closed { code, .. } => matches!(code, Some(1002 | 4001)),
            Self::Unreachable(_) | Self::Timeout(_) | Self::Protocol(_) => false,
        }
    }

    /// The WebSocket close code, where the gateway sent one.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Closed { code, .. } => *code,
            _ => None,
        }
    }

    /// How long the gateway asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(error) => error.retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The params break the method's schema; nothing was sent. The same shape as the gateway's own answer would have.
    #[error("{0}")]
    Invalid(WireError),
    /// The encoded request is larger than the gateway takes; nothing was sent. Both in bytes.
    #[error("the request has {size} bytes, the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
    /// The gateway answered with an error.
    #[error("{0}")]
    Refused(WireError),
    /// There is no connection, or it was lost before the answer came. The call may have had its effect.
    #[error("the connection to the gateway was lost")]
    Disconnected,
    /// No answer within this time. The call may still have its effect.
    #[error("the gateway did not answer within {0:?}")]
    Timeout(Duration),
    /// The client was closed, or the gateway refused it for good; it will not connect again.
    #[error("the client has stopped")]
    Stopped,
    /// The result does not have the shape of the method's type.
    #[error("the gateway's answer is not what this version expects: {0}")]
    Shape(String),
}
