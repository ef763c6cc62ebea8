//! The environment of a command: a fixed list of names, and what the action itself names. Nothing else of the gateway's
//! own environment reaches a command, since keys of providers may be there.

use std::collections::BTreeMap;

use crate::approval::command::SYSTEM_PATH;

/// Taken over from the gateway where they are set.
const INHERITED: [&str; 8] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "USER", "LOGNAME", "COLORTERM"];

/// Taken over as well where nothing confines the command.
const INHERITED_PLAIN: [&str; 4] = ["PATH", "HOME", "SHELL", "TMPDIR"];

/// What every command gets. `temp` is its folder for temporary files where it is confined, and its home then. What the
/// action names goes over it.
pub fn fixed(temp: Option<&str>, own: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut names = INHERITED.to_vec();
    if temp.is_none() {
        names.extend(INHERITED_PLAIN);
    }
    #[cfg(windows)]
    names.extend(["SystemRoot", "SystemDrive", "ComSpec", "PATHEXT", "TEMP", "TMP", "USERPROFILE"]);
    let mut env: BTreeMap<String, String> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), own(name)?))).collect();
    if let Some(temp) = temp {
        env.insert("PATH".to_owned(), SYSTEM_PATH.to_owned());
        env.insert("HOME".to_owned(), temp.to_owned());
        env.insert("TMPDIR".to_owned(), temp.to_owned());
    } else if cfg!(unix) {
        env.entry("PATH".to_owned()).or_insert_with(|| SYSTEM_PATH.to_owned());
    }
    // Programs that would print colours for a person print none.
    env.entry("TERM".to_owned()).or_insert_with(|| "dumb".to_owned());
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_gateway_but_the_list() {
        let own = |name: &str| match name {
            "LANG" => Some("en_GB.UTF-8".to_owned()),
            "HOME" => Some("/home/eve".to_owned()),
            "PATH" => Some("/home/eve/bin:/bin".to_owned()),
            "OPENAI_API_KEY" | "LD_PRELOAD" | "DBUS_SESSION_BUS_ADDRESS" | "SSH_AUTH_SOCK" => Some("secret".to_owned()),
            _ => None,
        };
        let pairs =
            |env: BTreeMap<String, String>| env.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        let path = format!("PATH={SYSTEM_PATH}");
        let confined = pairs(fixed(Some("/t"), own));
        assert_eq!(confined, ["HOME=/t", "LANG=en_GB.UTF-8", path.as_str(), "TERM=dumb", "TMPDIR=/t"]);
        let plain = pairs(fixed(None, own));
        assert_eq!(plain, ["HOME=/home/eve", "LANG=en_GB.UTF-8", "PATH=/home/eve/bin:/bin", "TERM=dumb"]);
    }
}
