// Every error text a user may read, named once.
//
// Clients and people match on these texts, so each is the very text Redis 7.0.15 answers. A text
// begins with its code word ("ERR", "WRONGTYPE") and has no '-' and no line end: RespWriter adds
// both. Texts with parts are functions; what a client put into them is cut at 128 bytes and at the
// first NUL, as Redis cuts it, and RespWriter makes line ends in them harmless. Commands of other
// rooms add theirs here, in the paragraph of their family.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/request.h"

namespace larder::protocol::errors {

using Text = std::string_view;

// How much of a client's own words an error repeats.
inline constexpr std::size_t kEchoedBytes = 128;

// --- any command
inline constexpr Text syntax = "ERR syntax error";
inline constexpr Text wrong_type =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr Text not_an_integer = "ERR value is not an integer or out of range";
inline constexpr Text not_a_float = "ERR value is not a valid float";
inline constexpr Text not_positive = "ERR value is out of range, must be positive";
inline constexpr Text out_of_range = "ERR value is out of range";
inline constexpr Text index_out_of_range = "ERR index out of range";
inline constexpr Text bad_timeout = "ERR timeout is not an integer or out of range";
inline constexpr Text negative_timeout = "ERR timeout is negative";
inline constexpr Text no_such_key = "ERR no such key";
inline constexpr Text same_object = "ERR source and destination objects are the same";
inline constexpr Text oom = "OOM command not allowed when used memory > 'maxmemory'.";
inline constexpr Text loading = "LOADING Redis is loading the dataset in memory";
inline constexpr Text read_only = "READONLY You can't write against a read only replica.";
inline constexpr Text numkeys_not_positive = "ERR numkeys should be greater than 0";
inline constexpr Text negative_limit = "ERR LIMIT can't be negative";
inline constexpr Text count_not_positive = "ERR count should be greater than 0";

// The number of words does not fit the command, named as its row names it ("get", "client|kill").
std::string wrong_arity(std::string_view command);
// No row has that name. `words` is the whole request.
std::string unknown_command(Words words);
// The command `container` ("client") has subcommands, but not this one.
std::string unknown_subcommand(std::string_view container, std::string_view subcommand);
// As Redis words it where a subcommand may also have been called with a wrong number of words.
std::string unknown_subcommand_or_arity(std::string_view container, std::string_view subcommand);
// "ERR value is out of range, value must between ... and ...".
std::string out_of_range_between(std::int64_t lowest, std::int64_t highest);

// --- protocol (said once, then the connection is closed)
inline constexpr Text unbalanced_quotes = "ERR Protocol error: unbalanced quotes in request";
inline constexpr Text too_big_inline = "ERR Protocol error: too big inline request";
inline constexpr Text too_big_count = "ERR Protocol error: too big mbulk count string";
inline constexpr Text too_big_bulk_count = "ERR Protocol error: too big bulk count string";
inline constexpr Text bad_word_count = "ERR Protocol error: invalid multibulk length";
inline constexpr Text bad_bulk_size = "ERR Protocol error: invalid bulk length";
inline constexpr Text unauthenticated_words =
    "ERR Protocol error: unauthenticated multibulk length";
inline constexpr Text unauthenticated_bulk = "ERR Protocol error: unauthenticated bulk length";
std::string expected_bulk(char got);

// --- connection and authentication
inline constexpr Text no_auth = "NOAUTH Authentication required.";
inline constexpr Text wrong_pass = "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr Text auth_without_password =
    "ERR AUTH <password> called without any password configured for the default user. Are you "
    "sure your configuration is correct?";
inline constexpr Text hello_needs_auth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
    "version at the same time";
inline constexpr Text no_proto = "NOPROTO unsupported protocol version";
inline constexpr Text proto_not_an_integer =
    "ERR Protocol version is not an integer or out of range";
inline constexpr Text max_clients = "ERR max number of clients reached";
inline constexpr Text bad_client_name =
    "ERR Client names cannot contain spaces, newlines or special characters.";
inline constexpr Text no_cluster = "ERR This instance has cluster support disabled";
std::string hello_syntax(std::string_view option);
// The command may not run for this user (ACL).
std::string no_permission(std::string_view command);
inline constexpr Text no_permission_keys =
    "NOPERM this user has no permissions to access one of the keys used as arguments";
inline constexpr Text no_permission_channels =
    "NOPERM this user has no permissions to access one of the channels used as arguments";
// The same in EXEC, where it could be queued and the rules have changed since.
inline constexpr Text exec_no_permission_command =
    "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
    "call. This command is no longer allowed for the following reason: no permission to execute "
    "the command or subcommand";
inline constexpr Text exec_no_permission_keys =
    "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
    "call. This command is no longer allowed for the following reason: no permission to touch the "
    "specified keys";
inline constexpr Text exec_no_permission_channels =
    "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
    "call. This command is no longer allowed for the following reason: no permission to access one "
    "of the channels used as arguments";
inline constexpr Text script_no_permission_command =
    "ERR The user executing the script can't run this command or subcommand";
inline constexpr Text script_no_permission_keys =
    "ERR The user executing the script can't access at least one of the keys mentioned in the "
    "command arguments";
inline constexpr Text script_no_permission_channels =
    "ERR The user executing the script can't publish to the channel mentioned in the command";
inline constexpr Text sort_by_no_permission =
    "ERR BY option of SORT denied due to insufficient ACL permissions.";
inline constexpr Text sort_get_no_permission =
    "ERR GET option of SORT denied due to insufficient ACL permissions.";

// --- ACL. Of rules: what follows "Error in ACL SETUSER modifier '...': ".
inline constexpr Text acl_syntax = "Syntax error";
inline constexpr Text acl_unknown = "Unknown command or category name in ACL";
inline constexpr Text acl_third_word = "Allowing first-arg of a subcommand is not supported";
inline constexpr Text acl_after_all_keys =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns";
inline constexpr Text acl_after_all_channels =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels";
inline constexpr Text acl_bad_hash =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    "characters";
inline constexpr Text acl_no_such_password =
    "The password you are trying to remove from the user does not exist";
inline constexpr Text acl_bad_user_name = "ERR Usernames can't contain spaces or null characters";
inline constexpr Text acl_default_stays = "ERR The 'default' user cannot be removed";
inline constexpr Text acl_no_file =
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration.";
inline constexpr Text acl_not_saved =
    "ERR There was an error trying to save the ACLs. Please check the server logs for more "
    "information";
inline constexpr Text acl_password_bits =
    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
    "number up to 4096";
std::string acl_rule_failed(std::string_view rule, std::string_view why);
std::string acl_unmatched(std::string_view rule);
std::string acl_unknown_category(std::string_view category);
std::string acl_unknown_user(std::string_view user);
std::string acl_unknown_command(std::string_view command);
// Larder's own: the address failed to sign in too often, and must wait.
std::string sign_in_backs_off(std::int64_t wait_s);

// A RESP2 client that is subscribed may only say a few commands.
std::string only_subscribe_context(std::string_view command);
// Needs an option that is "no", or "local" and the client is not. Such as DEBUG.
std::string command_disabled(std::string_view command, std::string_view option);

// --- what a cache does not do
inline constexpr Text nothing_is_saved =
    "ERR Larder keeps its data in memory only: nothing is ever saved to disk";
std::string latency_no_samples(std::string_view event);

// --- client
inline constexpr Text client_bad_id = "ERR Invalid client ID";
inline constexpr Text client_id_not_positive = "ERR client-id should be greater than 0";
inline constexpr Text client_no_such = "ERR No such client";
inline constexpr Text client_unblock_reason =
    "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
inline constexpr Text client_pause_mode = "ERR CLIENT PAUSE mode must be WRITE or ALL";
inline constexpr Text client_bad_max_age = "ERR maxage is not an integer or out of range";
inline constexpr Text client_max_age_not_positive = "ERR maxage should be greater than 0";
inline constexpr Text client_not_caching =
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
    "OPTOUT mode enabled";
inline constexpr Text caching_yes_no_optin =
    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
inline constexpr Text caching_no_no_optout =
    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
inline constexpr Text tracking_two_redirects =
    "ERR A client can only redirect to a single other client";
inline constexpr Text tracking_no_such_target =
    "ERR The client ID you want redirect to does not exist";
inline constexpr Text tracking_prefix_no_bcast =
    "ERR PREFIX option requires BCAST mode to be enabled";
inline constexpr Text tracking_switches_bcast =
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
    "re-enabling it with a different mode.";
inline constexpr Text tracking_bcast_and_opt = "ERR OPTIN and OPTOUT are not compatible with BCAST";
inline constexpr Text tracking_optin_and_optout =
    "ERR You can't specify both OPTIN mode and OPTOUT mode";
inline constexpr Text tracking_switches_opt =
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
    "re-enabling it with a different mode.";
std::string tracking_overlap_with_existing(std::string_view prefix, std::string_view other);
std::string tracking_overlap_with_provided(std::string_view prefix, std::string_view other);
inline constexpr Text monitor_in_multi = "ERR MONITOR isn't allowed for DENY BLOCKING client";
inline constexpr Text unblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
std::string client_unknown_type(std::string_view type);
std::string client_no_such_user(std::string_view user);
std::string client_info_syntax(std::string_view option);
std::string client_info_value(std::string_view option);

inline constexpr Text timeout_not_an_integer = "ERR timeout is not an integer or out of range";
inline constexpr Text timeout_not_a_float = "ERR timeout is not a float or out of range";
inline constexpr Text timeout_negative = "ERR timeout is negative";
inline constexpr Text timeout_out_of_range = "ERR timeout is out of range";
inline constexpr Text waitaof_without_aof =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

// --- databases and keys
inline constexpr Text bad_db_index = "ERR DB index is out of range";
inline constexpr Text bad_first_db = "ERR invalid first DB index";
inline constexpr Text bad_second_db = "ERR invalid second DB index";
inline constexpr Text bad_cursor = "ERR invalid cursor";
inline constexpr Text novalues_elsewhere = "ERR NOVALUES option can only be used in HSCAN";
// Larder's own: the reply of KEYS would pass client-output-buffer-limit.
inline constexpr Text too_many_keys = "ERR too many keys for one reply, use SCAN";
inline constexpr Text not_lfu =
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
    "when switching between policies at runtime LRU and LFU data will take some time to adjust.";
inline constexpr Text lfu_no_idle_time =
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
    "switching between policies at runtime LRU and LFU data will take some time to adjust.";

// --- expiry
inline constexpr Text expire_nx_and_others =
    "ERR NX and XX, GT or LT options at the same time are not compatible";
inline constexpr Text expire_gt_and_lt =
    "ERR GT and LT options at the same time are not compatible";
inline constexpr Text negative_expire = "ERR invalid expire time, must be >= 0";
inline constexpr Text no_fields_word =
    "ERR Mandatory argument FIELDS is missing or not at the right position";
inline constexpr Text numfields_not_positive = "ERR Number of fields must be a positive integer";
inline constexpr Text numfields_too_small = "ERR Parameter `numFields` should be greater than 0";
inline constexpr Text numfields_mismatch =
    "ERR The `numfields` parameter must match the number of arguments";
std::string invalid_expire(std::string_view command);
std::string unsupported_option(std::string_view option);

// --- strings
inline constexpr Text increment_overflow = "ERR increment or decrement would overflow";
inline constexpr Text decrement_overflow = "ERR decrement would overflow";
inline constexpr Text increment_nan = "ERR increment would produce NaN or Infinity";
inline constexpr Text offset_out_of_range = "ERR offset is out of range";
inline constexpr Text string_too_big =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
inline constexpr Text bit_offset = "ERR bit offset is not an integer or out of range";
inline constexpr Text bit_value = "ERR bit is not an integer or out of range";
inline constexpr Text bitpos_bit = "ERR The bit argument must be 1 or 0.";
inline constexpr Text bitop_not = "ERR BITOP NOT must be called with a single source key.";
inline constexpr Text bitfield_type =
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 "
    "is.";
inline constexpr Text bitfield_overflow = "ERR Invalid OVERFLOW type specified";
inline constexpr Text bitfield_read_only = "ERR BITFIELD_RO only supports the GET subcommand";
inline constexpr Text lcs_needs_strings = "ERR The specified keys must contain string values";
inline constexpr Text lcs_len_and_idx =
    "ERR If you want both the length and indexes, please just use IDX.";
inline constexpr Text lcs_too_large =
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";

// --- HyperLogLog
inline constexpr Text not_a_hyperloglog = "WRONGTYPE Key is not a valid HyperLogLog string value.";
inline constexpr Text corrupted_hyperloglog = "INVALIDOBJ Corrupted HLL object detected";
inline constexpr Text no_such_hyperloglog = "ERR The specified key does not exist";
inline constexpr Text hyperloglog_not_sparse = "ERR HLL encoding is not sparse";
// Larder's own: Redis tells the register, too.
inline constexpr Text selftest_forms = "TESTFAILED the dense and the sparse form differ";
inline constexpr Text selftest_count = "TESTFAILED too large an error in the count";
std::string unknown_pfdebug(std::string_view subcommand);

// --- DUMP, RESTORE
inline constexpr Text busy_key = "BUSYKEY Target key name already exists.";
inline constexpr Text bad_restore_ttl = "ERR Invalid TTL value, must be >= 0";
inline constexpr Text bad_idle_time = "ERR Invalid IDLETIME value, must be >= 0";
inline constexpr Text bad_frequency = "ERR Invalid FREQ value, must be >= 0 and <= 255";
inline constexpr Text bad_dump_frame = "ERR DUMP payload version or checksum are wrong";
inline constexpr Text bad_dump = "ERR Bad data format";

// --- lists, and SORT
inline constexpr Text lpos_rank_zero =
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
    "negative to start from the end of the list";
inline constexpr Text lpos_count_negative = "ERR COUNT can't be negative";
inline constexpr Text lpos_max_length_negative = "ERR MAXLEN can't be negative";
inline constexpr Text sort_not_a_number = "ERR One or more scores can't be converted into double";

// --- hashes (INCR family)
inline constexpr Text hash_not_an_integer = "ERR hash value is not an integer";
inline constexpr Text hash_not_a_float = "ERR hash value is not a float";
inline constexpr Text nan_or_infinity = "ERR value is NaN or Infinity";

// --- sorted sets
inline constexpr Text zadd_nx_and_xx = "ERR XX and NX options at the same time are not compatible";
inline constexpr Text zadd_gt_lt_nx =
    "ERR GT, LT, and/or NX options at the same time are not compatible";
inline constexpr Text zadd_incr_pairs = "ERR INCR option supports a single increment-element pair";
inline constexpr Text score_not_a_number = "ERR resulting score is not a number (NaN)";
inline constexpr Text score_range = "ERR min or max is not a float";
inline constexpr Text name_range = "ERR min or max not valid string range item";
inline constexpr Text limit_needs_range =
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
inline constexpr Text scores_of_names =
    "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
inline constexpr Text weight_not_a_float = "ERR weight value is not a float";
inline constexpr Text limit_negative = "ERR LIMIT can't be negative";
std::string no_input_keys(std::string_view command);

// --- streams
inline constexpr Text stream_id = "ERR Invalid stream ID specified as stream command argument";
inline constexpr Text stream_start_id = "ERR invalid start ID for the interval";
inline constexpr Text stream_end_id = "ERR invalid end ID for the interval";
inline constexpr Text stream_two_trims =
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
inline constexpr Text stream_negative_max_length = "ERR The MAXLEN argument must be >= 0.";
inline constexpr Text stream_negative_limit = "ERR The LIMIT argument must be >= 0.";
inline constexpr Text stream_limit_of_nothing =
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
inline constexpr Text stream_exact_limit =
    "ERR syntax error, LIMIT cannot be used without the special ~ option";
inline constexpr Text stream_no_trim =
    "ERR syntax error, XTRIM must be called with a trimming strategy";
inline constexpr Text xadd_lowest_id = "ERR The ID specified in XADD must be greater than 0-0";
inline constexpr Text xadd_low_id =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";
inline constexpr Text xadd_exhausted =
    "ERR The stream has exhausted the last possible ID, unable to add more items";
inline constexpr Text xadd_too_large = "ERR Elements are too large to be stored";
inline constexpr Text xsetid_low_id =
    "ERR The ID specified in XSETID is smaller than the target stream top item";
inline constexpr Text xsetid_negative_added = "ERR entries_added must be positive";
inline constexpr Text xsetid_few_added =
    "ERR The entries_added specified in XSETID is smaller than the target stream length";
inline constexpr Text xsetid_given_deleted =
    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
inline constexpr Text xsetid_below_deleted =
    "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
inline constexpr Text xread_group =
    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.";
inline constexpr Text xread_no_ack =
    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.";
inline constexpr Text xread_new =
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
    "<consumer> option.";
inline constexpr Text xreadgroup_no_group = "ERR Missing GROUP option for XREADGROUP";
inline constexpr Text xreadgroup_last =
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of "
    "this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would "
    "just return an empty result set.";
inline constexpr Text xreadgroup_last_entry =
    "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of "
    "this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would "
    "just return an empty result set.";
inline constexpr Text xgroup_no_key =
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
    "the MKSTREAM option to create an empty stream automatically.";
inline constexpr Text xgroup_exists = "BUSYGROUP Consumer Group name already exists";
inline constexpr Text xgroup_entries_read = "ERR value for ENTRIESREAD must be positive or -1";
inline constexpr Text xautoclaim_count = "ERR COUNT must be > 0";
// XREADGROUP says so, too.
inline constexpr Text unbalanced_streams =
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";
// XREADGROUP names itself in it, XGROUP and XINFO say it the other way round.
std::string no_group(std::string_view key, std::string_view group);
std::string no_group_to_read(std::string_view key, std::string_view group);
std::string no_such_group(std::string_view group, std::string_view key);
std::string bad_claim_number(std::string_view what, std::string_view command);
std::string unknown_claim_option(std::string_view option);

// --- places
inline constexpr Text geo_unit = "ERR unsupported unit provided. please use M, KM, FT, MI";
inline constexpr Text geo_radius = "ERR need numeric radius";
inline constexpr Text geo_radius_negative = "ERR radius cannot be negative";
inline constexpr Text geo_width = "ERR need numeric width";
inline constexpr Text geo_height = "ERR need numeric height";
inline constexpr Text geo_box_negative = "ERR height or width cannot be negative";
inline constexpr Text geo_no_member = "ERR could not decode requested zset member";
inline constexpr Text geo_count = "ERR COUNT must be > 0";
inline constexpr Text geo_any_and_count = "ERR the ANY argument requires COUNT argument";
std::string geo_invalid_place(double longitude, double latitude);
std::string geo_store_and_with(std::string_view what);
std::string geo_one_centre(std::string_view command);
std::string geo_one_shape(std::string_view command);

// --- transactions
inline constexpr Text too_many_subscriptions =
    "ERR subscriptions of this client would exceed client-query-buffer-limit";
inline constexpr Text multi_too_large = "ERR transaction is larger than client-query-buffer-limit";
inline constexpr Text multi_nested = "ERR MULTI calls can not be nested";
inline constexpr Text exec_without_multi = "ERR EXEC without MULTI";
inline constexpr Text discard_without_multi = "ERR DISCARD without MULTI";
inline constexpr Text watch_in_multi = "ERR WATCH inside MULTI is not allowed";
inline constexpr Text not_in_multi = "ERR Command not allowed inside a transaction";
inline constexpr Text exec_abort = "EXECABORT Transaction discarded because of previous errors.";

// --- scripts
inline constexpr Text no_script = "NOSCRIPT No matching script. Please use EVAL.";
inline constexpr Text numkeys_negative = "ERR Number of keys can't be negative";
inline constexpr Text numkeys_too_big = "ERR Number of keys can't be greater than number of args";
inline constexpr Text busy_script =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
inline constexpr Text busy_function =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
inline constexpr Text not_busy = "NOTBUSY No scripts in execution right now.";
inline constexpr Text unkillable =
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
    "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
    "NOSAVE command.";
inline constexpr Text script_killed = "ERR Script killed by user with SCRIPT KILL...";
inline constexpr Text script_flush_mode = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
inline constexpr Text script_debug_mode = "ERR Use SCRIPT DEBUG YES/SYNC/NO";
// inside a script; the script's SHA and line follow
inline constexpr Text script_no_command =
    "ERR Please specify at least one argument for this redis lib call";
inline constexpr Text script_bad_resp = "ERR RESP version must be 2 or 3.";
inline constexpr Text script_log_arguments = "ERR redis.log() requires two arguments or more.";
inline constexpr Text script_one_argument = "ERR wrong number of arguments";
inline constexpr Text script_bad_arguments =
    "ERR Lua redis lib command arguments must be strings or integers";
inline constexpr Text script_unknown_command = "ERR Unknown Redis command called from script";
inline constexpr Text script_wrong_arity =
    "ERR Wrong number of args calling Redis command from script";
inline constexpr Text script_not_allowed = "ERR This Redis command is not allowed from script";
inline constexpr Text script_read_only =
    "ERR Write commands are not allowed from read-only scripts.";
inline constexpr Text script_undeclared_key =
    "ERR This script may only touch the keys it was given";

// --- functions
inline constexpr Text function_bad_name =
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least "
    "one character long";
inline constexpr Text function_bad_payload = "ERR DUMP payload version or checksum are wrong";
inline constexpr Text function_broken_payload = "ERR Failed loading library payload";
inline constexpr Text function_flush_mode = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option";
inline constexpr Text function_metadata_invalid = "ERR Invalid library metadata";
inline constexpr Text function_metadata_missing = "ERR Missing library metadata";
inline constexpr Text function_name_missing = "ERR Library name was not given";
inline constexpr Text function_name_repeated =
    "ERR Invalid metadata value, name argument was given multiple times";
inline constexpr Text function_no_room = "ERR no room for the library: FUNCTION DELETE makes some";
inline constexpr Text function_none_registered = "ERR No functions registered";
inline constexpr Text function_not_found = "ERR Function not found";
inline constexpr Text function_repeated = "ERR Function already exists in the library";
inline constexpr Text function_numkeys = "ERR Bad number of keys provided";
inline constexpr Text function_other_type = "ERR given type is not a function";
inline constexpr Text function_pattern_missing = "ERR library name argument was not given";
inline constexpr Text function_restore_policy =
    "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
inline constexpr Text library_not_found = "ERR Library not found";

// --- config, memory, introspection
inline constexpr Text config_no_file = "ERR The server is running without a config file";
inline constexpr Text command_invalid = "ERR Invalid command specified";
inline constexpr Text command_no_keys = "ERR The command has no key arguments";
inline constexpr Text command_bad_words = "ERR Invalid number of arguments specified for command";
inline constexpr Text command_bad_keys = "ERR Invalid arguments specified for command";
inline constexpr Text no_shutdown = "ERR No shutdown in progress.";
inline constexpr Text shutdown_failed = "ERR Errors trying to SHUTDOWN. Check logs.";
inline constexpr Text config_immutable = "can't set immutable config";  // for config_failed
inline constexpr Text config_protected = "can't set protected config";
inline constexpr Text config_duplicate = "duplicate parameter";
inline constexpr Text config_not_memory = "argument must be a memory value";
inline constexpr Text config_not_share = "argument must be a memory or percent value";
inline constexpr Text config_not_tls = "Unable to update TLS configuration. Check server logs.";
inline constexpr Text config_not_yes_or_no = "argument must be 'yes' or 'no'";
inline constexpr Text buffer_limit_words =
    "Wrong number of arguments in buffer limit configuration.";
inline constexpr Text buffer_limit_class =
    "Invalid client class specified in buffer limit configuration.";
inline constexpr Text buffer_limit_number =
    "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
inline constexpr Text config_not_events = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
inline constexpr Text config_above_hundred = "percentage argument must be less or equal to 100";
inline constexpr Text config_not_an_integer = "argument couldn't be parsed into an integer";
inline constexpr Text slowlog_count = "ERR count should be greater than or equal to -1";
// To a RESP2 client that listens to channels; the command's full name.
std::string only_listens(std::string_view command);
std::string config_unknown(std::string_view option);
std::string config_failed(std::string_view option, std::string_view why);

}  // namespace larder::protocol::errors
