//! What every context's tables keep to.

use sqlx::PgPool;

#[test]
fn the_infrastructure_tables_are_those_of_every_context() {
    let shared = include_str!("../../../platform/sql/infrastructure.sql").replace("{schema}", "conversation");
    assert_eq!(include_str!("../../migrations/0001_infrastructure.sql"), shared);
    let shared = include_str!("../../../platform/sql/published.sql").replace("{schema}", "conversation");
    assert_eq!(include_str!("../../migrations/0012_published.sql"), shared);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn every_index_of_a_business_table_begins_with_the_organization(pool: PgPool) {
    let others: Vec<String> = sqlx::query_scalar(
        "select i.indexrelid::regclass::text from pg_index i
         join pg_class t on t.oid = i.indrelid
         left join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
         where t.relnamespace = 'conversation'::regnamespace
           and case when i.indkey[0] = 0 then pg_get_expr(i.indexprs, t.oid) not like 'conversation.search_scope(org_id,%'
                    else a.attname <> 'org_id' end
           and t.relname not in ('outbox', 'inbox', 'inbox_subjects', 'parked_events', 'leases', 'outbox_batches',
                                 'outbox_position', 'relay_streams', 'idempotency_keys', '_sqlx_migrations')
         order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(others.is_empty(), "{others:?}");
}
