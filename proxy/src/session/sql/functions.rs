//! PostgreSQL's own functions that leave nothing behind in a session, and key words that stand before parentheses as functions
//! do.
//!
//! A function that is not here is somebody's own, and may have done anything: set a parameter, made a temporary table. One of
//! PostgreSQL's that is missing costs a session its move and nothing else.

use std::collections::HashSet;
use std::sync::LazyLock;

const HARMLESS: &str = "
    abs acos age all and any any_value array array_agg array_append array_cat array_dims array_fill
    array_length array_lower array_position array_positions array_prepend array_remove array_replace
    array_to_json array_to_string array_to_tsvector array_upper as ascii asin atan atan2 avg bernoulli
    between bigint bit bit_and bit_length bit_or bit_xor bool_and bool_or boolean box btrim by bytea
    cardinality case cast cbrt ceil ceiling char char_length character character_length chr circle
    clock_timestamp coalesce col_description concat concat_ws conflict convert convert_from convert_to corr
    cos count covar_pop covar_samp cube cume_dist current_catalog current_database current_date
    current_query current_role current_schema current_schemas current_setting current_time current_timestamp
    current_user date date_add date_bin date_part date_subtract date_trunc datemultirange daterange dec
    decimal decode degrees dense_rank distinct div else encode every except exists exp extract factorial
    filter first first_value float float4 float8 floor format format_type from gcd gen_random_uuid
    generate_series generate_subscripts get_bit get_byte greatest group grouping groups has_column_privilege
    has_database_privilege has_schema_privilege has_table_privilege having host ilike in inet_client_addr
    inet_client_port inet_server_addr inet_server_port initcap insert int int2 int4 int4range int8 int8range
    integer intersect interval into is isempty isfinite join json json_agg json_array json_array_elements
    json_array_elements_text json_array_length json_arrayagg json_build_array json_build_object json_each
    json_each_text json_exists json_extract_path json_extract_path_text json_object json_object_agg
    json_object_keys json_objectagg json_populate_record json_populate_recordset json_query json_scalar
    json_serialize json_strip_nulls json_table json_to_record json_to_recordset json_typeof json_value jsonb
    jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert
    jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query
    jsonb_path_query_array jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset
    jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof
    justify_days justify_hours justify_interval lag last_value lateral lcm lead least left length like limit
    ln localtime localtimestamp log log10 lower lower_inc lower_inf lpad ltrim make_date make_interval
    make_time make_timestamp make_timestamptz masklen materialized max md5 min mod mode multirange name
    network next nextval normalize not now nth_value ntile nullif numeric numnode numrange obj_description
    octet_length of offset oid on only operator or order over overlaps overlay partition percent_rank
    percentile_cont percentile_disc pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_backend_pid pg_blocking_pids pg_cancel_backend
    pg_client_encoding pg_column_size pg_current_snapshot pg_current_wal_lsn pg_current_xact_id
    pg_database_size pg_encoding_to_char pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef
    pg_get_keywords pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_triggerdef
    pg_get_userbyid pg_get_viewdef pg_indexes_size pg_is_in_recovery pg_notify pg_postmaster_start_time
    pg_relation_size pg_size_pretty pg_sleep pg_sleep_for pg_sleep_until pg_stat_get_activity
    pg_table_is_visible pg_table_size pg_terminate_backend pg_total_relation_size pg_trigger_depth
    pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_type_is_visible pg_typeof pg_wal_lsn_diff
    phraseto_tsquery pi plainto_tsquery point polygon position power querytree quote_ident quote_literal
    quote_nullable radians random range range_agg range_intersect_agg range_merge rank regexp_count
    regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr repeat repeatable replace returning reverse right rollup round row
    row_number row_to_json rows rpad rtrim scale select session_user set set_bit set_byte set_masklen sets
    setval setweight sha256 sha512 shobj_description sign similar sin smallint some split_part sqrt
    starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array string_to_table
    strip strpos substr substring sum symmetric system tan text then time timeofday timestamp timestamptz
    timetz timezone to to_ascii to_char to_date to_hex to_json to_jsonb to_number to_regclass to_regtype
    to_timestamp to_tsquery to_tsvector transaction_timestamp translate treat trim trim_array trunc
    ts_headline ts_rank ts_rank_cd tsquery tsrange tstzrange tsvector tsvector_to_array txid_current
    txid_current_if_assigned union unnest upper upper_inc upper_inf user using uuid value values var_pop
    var_samp varchar variance varying version websearch_to_tsquery when where width_bucket window with
    within xmlagg xmlelement zone
";

/// Those of PostgreSQL's own that do leave something behind. All others of the schema `pg_catalog` are believed.
const LASTING: &str = "
    cursor_to_xml database_to_xml lo_close lo_open loread lowrite pg_replication_origin_session_setup query_to_xml set_config setseed ts_stat
";

/// Whether a function that is called by this name (in small letters), without a schema, leaves nothing behind.
pub(super) fn is_harmless(name: &[u8]) -> bool {
    static NAMES: LazyLock<HashSet<&[u8]>> = LazyLock::new(|| names(HARMLESS));
    NAMES.contains(name)
}

/// The same for one of the schema `pg_catalog`.
pub(super) fn is_harmless_of_catalog(name: &[u8]) -> bool {
    static NAMES: LazyLock<HashSet<&[u8]>> = LazyLock::new(|| names(LASTING));
    !NAMES.contains(name)
}

fn names(text: &'static str) -> HashSet<&'static [u8]> {
    text.split_ascii_whitespace().map(str::as_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_something_behind_is_not_called_harmless() {
        assert!(is_harmless(b"count") && is_harmless(b"abs") && is_harmless(b"zone"));
        assert!(!is_harmless(b"counts") && !is_harmless(b"\xff"));
        assert!(is_harmless_of_catalog(b"pg_opclass_is_visible") && !is_harmless_of_catalog(b"set_config"));
        assert!(names(LASTING).is_disjoint(&names(HARMLESS)));
    }
}
