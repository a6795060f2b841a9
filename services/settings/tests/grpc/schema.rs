//! What every context's tables keep to.

use sqlx::PgPool;

#[test]
fn the_infrastructure_tables_are_those_of_every_context() {
    let shared = include_str!("../../../platform/sql/infrastructure.sql").replace("{schema}", "settings");
    assert_eq!(include_str!("../../migrations/0001_infrastructure.sql"), shared);
    let shared = include_str!("../../../platform/sql/published.sql").replace("{schema}", "settings");
    assert_eq!(include_str!("../../migrations/0003_published.sql"), shared);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn every_index_of_a_business_table_begins_with_the_organization(pool: PgPool) {
    let others: Vec<String> = sqlx::query_scalar(
        "select i.indexrelid::regclass::text from pg_index i
         join pg_class t on t.oid = i.indrelid
         join pg_attribute a on a.attrelid = t.oid and a.attnum = i.indkey[0]
         where t.relnamespace = 'settings'::regnamespace and a.attname <> 'org_id'
           and t.relname not in ('outbox', 'inbox', 'inbox_subjects', 'parked_events', 'leases', 'outbox_batches',
                                 'outbox_position', 'relay_streams', 'idempotency_keys', '_sqlx_migrations')
         order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    // The subdomain is unique in the deployment, so its look-up can't begin with the organization.
    assert_eq!(others, ["settings.organizations_subdomain"]);
}
