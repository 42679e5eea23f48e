//! Passwords, access rules, TLS, and commands that are off.

use crate::flags::codec::{Codec, List, N31, N63, OneOf, Text, U16, Yes, named};
use crate::flags::table::topic;

named! {
    /// Which channels a new ACL user may use.
    AclPubsubDefault { AllChannels = "allchannels", ResetChannels = "resetchannels" }
}

named! {
    /// Who may use something dangerous: nobody, everybody, or clients on this machine.
    AllowedFor { No = "no", Yes = "yes", Local = "local" }
}

named! {
    /// Whether clients have to show a certificate.
    AuthClients { No = "no", Yes = "yes", Optional = "optional" }
}

topic! {
    /// Passwords, access rules, TLS, and commands that are off.
    security: Security, "Security";

    /// Password of the default user.
    requirepass: String = String::new(), Text, redis("requirepass"), runtime(), secret();

    /// File of ACL users.
    aclfile: String = String::new(), Text, redis("aclfile");

    /// Most entries of ACL LOG.
    acllog_max_len: u64 = 128, N63, redis("acllog-max-len"), runtime(), inert();

    /// Which channels a new user may use.
    acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::ResetChannels, OneOf,
        redis("acl-pubsub-default"), runtime(), inert();

    /// Who may change protected flags (dir, dbfilename) at run time.
    enable_protected_configs: AllowedFor = AllowedFor::No, OneOf, redis("enable-protected-configs");

    /// Who may use DEBUG.
    enable_debug_command: AllowedFor = AllowedFor::Local, OneOf, redis("enable-debug-command");

    /// Who may use MODULE.
    enable_module_command: AllowedFor = AllowedFor::No, OneOf,
        redis("enable-module-command"), inert();

    /// Commands allowed only on the admin port.
    restricted_commands: Vec<String> = Vec::new(), List, inert();

    /// Other names of commands, as alias=command pairs.
    command_alias: Vec<String> = Vec::new(), List, inert();

    /// TLS on the main port.
    tls: bool = false, Yes;

    /// A second port that has TLS; 0 = none.
    tls_port: u16 = 0, U16, redis("tls-port");

    /// Certificate.
    tls_cert_file: String = String::new(), Text, redis("tls-cert-file"), runtime(), inert();

    /// Key.
    tls_key_file: String = String::new(), Text, redis("tls-key-file"), runtime(), inert();

    /// Password of that file.
    tls_key_file_pass: String = String::new(), Text,
        redis("tls-key-file-pass"), runtime(), secret(), inert();

    /// CA for client certificates.
    tls_ca_cert_file: String = String::new(), Text, redis("tls-ca-cert-file"), runtime(), inert();

    /// CA directory.
    tls_ca_cert_dir: String = String::new(), Text, redis("tls-ca-cert-dir"), runtime(), inert();

    /// Whether clients have to show a certificate, where there is a CA.
    tls_auth_clients: AuthClients = AuthClients::Yes, OneOf,
        redis("tls-auth-clients"), runtime(), inert();

    /// Certificate for connections to other servers; empty = the server's own.
    tls_client_cert_file: String = String::new(), Text,
        redis("tls-client-cert-file"), runtime(), inert();

    /// Its key.
    tls_client_key_file: String = String::new(), Text,
        redis("tls-client-key-file"), runtime(), inert();

    /// Password of that file.
    tls_client_key_file_pass: String = String::new(), Text,
        redis("tls-client-key-file-pass"), runtime(), secret(), inert();

    /// Diffie-Hellman parameters; not needed by today's ciphers.
    tls_dh_params_file: String = String::new(), Text,
        redis("tls-dh-params-file"), runtime(), inert();

    /// TLS on the cluster bus.
    tls_cluster: bool = false, Yes, redis("tls-cluster"), runtime(), inert();

    /// TLS versions, such as `TLSv1.2 TLSv1.3`; empty = both.
    tls_protocols: String = String::new(), Text, redis("tls-protocols"), runtime(), inert();

    /// TLS 1.2 ciphers; empty = the safe ones.
    tls_ciphers: String = String::new(), Text, redis("tls-ciphers"), runtime(), inert();

    /// TLS 1.3 suites.
    tls_cipher_suites: String = String::new(), Text, redis("tls-ciphersuites"), runtime(), inert();

    /// Server order wins.
    tls_prefer_server_ciphers: bool = false, Yes,
        redis("tls-prefer-server-ciphers"), runtime(), inert();

    /// Session cache and tickets.
    tls_session_caching: bool = true, Yes, redis("tls-session-caching"), runtime(), inert();

    /// Sessions in that cache.
    tls_session_cache_size: u64 = 20480, N31, redis("tls-session-cache-size"), runtime(), inert();

    /// Seconds that a session lives there.
    tls_session_cache_timeout: u64 = 300, N31,
        redis("tls-session-cache-timeout"), runtime(), inert();

    /// Plain admin port.
    no_tls_on_admin_port: bool = false, Yes, inert();
}
