/** How often a table `s` was gone through, its indexes included. */
export const SCANS = `(pg_stat_get_xact_numscans(s.oid) + coalesce((
        select sum(pg_stat_get_xact_numscans(i.indexrelid)) from pg_catalog.pg_index i where i.indrelid = s.oid), 0))`;

/** PostgreSQL's own schemas. */
const OWN = "('pg_catalog', 'information_schema')";

/** pg_constraint.contype of those that are told. */
const CONSTRAINT_TYPES = "('c', 'p', 'u', 'f', 'x')";

/** `since`: of which the younger rows count; `last_oid`: of the relations whose locks are told. */
export const LOOK_SQL = `
  held as materialized (
    select l.relation as oid, l.mode from pg_catalog.pg_locks l
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode <> 'AccessShareLock'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())),
  locked as materialized (
    select oid from held where since is not null
    union select c.reltoastrelid from pg_catalog.pg_class c
      where since is not null and c.reltoastrelid <> 0 and c.oid = any (array(select oid from held))),
  touched as materialized (
    select oid from locked
    union select indexrelid from pg_catalog.pg_index where indrelid = any (array(select oid from locked))),
  changed as materialized (
    select oid, xmin from pg_catalog.pg_class where since is null
    union all select * from (
      select oid, xmin from pg_catalog.pg_class where oid = any (array(select oid from touched))
      union all select attrelid, xmin from pg_catalog.pg_attribute where attrelid = any (array(select oid from touched))
      union all select adrelid, xmin from pg_catalog.pg_attrdef where adrelid = any (array(select oid from locked))
      union all select conrelid, xmin from pg_catalog.pg_constraint where conrelid = any (array(select oid from locked))
      union all select polrelid, xmin from pg_catalog.pg_policy where polrelid = any (array(select oid from locked))
      union all select unnest(array[indrelid, indexrelid]), xmin from pg_catalog.pg_index where indrelid = any (array(select oid from locked))
      union all select c.oid, n.xmin from pg_catalog.pg_namespace n join pg_catalog.pg_class c on c.relnamespace = n.oid
        where exists (select from pg_catalog.pg_namespace where age(xmin) < (select age(since)))
    ) young where age(xmin) < (select age(since))),
  toasted as materialized (
    select oid, reltoastrelid from pg_catalog.pg_class where since is null and reltoastrelid <> 0
    union all select oid, reltoastrelid from pg_catalog.pg_class where oid = any (array(select oid from locked)) and reltoastrelid <> 0),
  r as materialized (
    select t.oid, t.relname, t.relkind, t.relrowsecurity, n.nspname, pg_relation_filenode(t.oid) as file, coalesce(i.indrelid, o.oid) as owner
    from pg_catalog.pg_class t join pg_catalog.pg_namespace n on n.oid = t.relnamespace left join pg_catalog.pg_index i on i.indexrelid = t.oid
      left join toasted o on o.reltoastrelid = t.oid
    where n.nspname not in ${OWN} and t.relpersistence <> 't' and t.oid = any (array(select oid from changed))),
  own_domains as materialized (
    select oid from pg_catalog.pg_constraint
    where conrelid = 0 and contypid <> 0 and connamespace not in (select oid from pg_catalog.pg_namespace where nspname in ${OWN})),
  whole as materialized (select json_build_object(
    'relations', (select coalesce(json_agg(json_build_object('oid', oid::bigint, 'schema', nspname, 'name', relname, 'kind', relkind,
        'file', file::bigint, 'owner', owner::bigint, 'rowSecurity', relrowsecurity,
        'policies', (select count(*) from pg_catalog.pg_policy p where p.polrelid = r.oid), 'columns', case when relkind in ('i', 'I', 'S') then '[]'::json else
        (select coalesce(json_agg(json_build_object('number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
          'typeOid', a.atttypid::bigint, 'notNull', a.attnotnull and not exists (
            select from pg_catalog.pg_constraint k where k.conrelid = a.attrelid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated),
          'filled', a.attidentity <> '' or a.attgenerated <> '',
          'default', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum), '[]')
          from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
          where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped) end)), '[]') from r),
    'constraints', (select coalesce(json_agg(json_build_object('oid', k.oid::bigint, 'name', k.conname, 'type', k.contype, 'table', k.conrelid::bigint,
        'domain', k.contypid::bigint, 'validated', k.convalidated, 'definition', pg_get_constraintdef(k.oid),
        'expression', pg_get_expr(k.conbin, k.conrelid), 'columns', coalesce(k.conkey, '{}'), 'referenced', k.confrelid::bigint,
        'referencedColumns', coalesce(k.confkey, '{}'), 'matchFull', k.confmatchtype = 'f')), '[]')
      from pg_catalog.pg_constraint k where k.contype in ${CONSTRAINT_TYPES} and (k.conrelid = any (array(select oid from r))
        or k.oid = any (array(select oid from own_domains)))),
    'indexes', (select coalesce(json_agg(json_build_object('oid', i.indexrelid::bigint, 'table', i.indrelid::bigint, 'unique', i.indisunique,
        'primary', i.indisprimary, 'exclusion', i.indisexclusion, 'valid', i.indisvalid,
        'nullsNotDistinct', coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), 'method', am.amname,
        'keys', (select json_agg(pg_get_indexdef(i.indexrelid, k, true) order by k) from generate_series(1, i.indnkeyatts) k),
        'predicate', pg_get_expr(i.indpred, i.indrelid), 'definition', pg_get_indexdef(i.indexrelid))), '[]')
      from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid join pg_catalog.pg_am am on am.oid = ic.relam
        join pg_catalog.pg_class tc on tc.oid = i.indrelid
      where tc.relkind in ('r', 'p', 'm') and i.indrelid = any (array(select case when relkind in ('i', 'I') then owner else oid end from r))),
    'types', (select coalesce(json_agg(json_build_object('oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype,
        'labels', (select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum e where e.enumtypid = t.oid))), '[]')
      from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      where t.typtype in ('e', 'd') and n.nspname not in ${OWN}),
    'rest', case when since is not null then json_build_object(
      'locked', (select coalesce(json_agg(oid::bigint), '[]') from touched),
      'gone', (select coalesce(json_agg(distinct oid::bigint), '[]') from held where oid not in (select oid from pg_catalog.pg_class where oid = any (array(select oid from held)))),
      'constraints', (select coalesce(json_agg(oid::bigint), '[]') from (
        select oid from pg_catalog.pg_constraint where contype in ${CONSTRAINT_TYPES} and conrelid = any (array(select oid from locked))
        union all select oid from own_domains) there)) end,
    'locks', (select coalesce(json_agg(json_build_object('oid', oid::bigint, 'mode', mode)), '[]') from held where oid::bigint <= last_oid),
    'scans', (select coalesce(json_agg(json_build_object('oid', s.oid::bigint, 'scans', ${SCANS})), '[]')
      from (select distinct h.oid from held h join pg_catalog.pg_class t on t.oid = h.oid where t.relkind in ('r', 'm') and h.oid::bigint <= last_oid) s),
    'xid', (select xmin::text from changed order by age(xmin) limit 1),
    'lastOid', case when since is null then (select max(oid::bigint) from pg_catalog.pg_class) end) as look)`;
