-- What became of directives, found without a look at every fact of the attempt: each turn asks while an ending waits for a checkpoint.
create index fact_directive on fact (attempt) where body->>'kind' = 'directive';

-- Makes the partitions of today and of the three days (or months) after it. SECURITY DEFINER: who runs the program need not own the
-- tables. Rows of a range that lie in the DEFAULT partition, since a source's clock was ahead, are moved; of what is only added to, such a
-- range is left there.
create or replace function make_partitions(now_ms bigint) returns integer
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
  every record;
  lower timestamp;
  first_ms bigint;
  end_ms bigint;
  part text;
  taken boolean;
  made integer := 0;
begin
  for every in
    select * from (values
      ('fact', 'sent_at', 'day', false), ('log_chunk', 'written_at', 'day', false), ('feed', 'at', 'day', false),
      ('audit', 'at', 'month', true), ('held', 'from', 'month', true), ('cell_revision', 'cell', 'month', true),
      ('posting', 'cell', 'month', true)
    ) as t(name, key, span, append_only)
  loop
    for ahead in 0..3 loop
      -- Without a zone, so that a day has 24 hours whatever the server's zone.
      lower := date_trunc(every.span, to_timestamp(now_ms / 1000.0) at time zone 'UTC') + ahead * ('1 ' || every.span)::interval;
      first_ms := extract(epoch from lower) * 1000;
      end_ms := extract(epoch from lower + ('1 ' || every.span)::interval) * 1000;
      part := every.name || '_' || to_char(lower, case every.span when 'day' then 'YYYYMMDD' else 'YYYYMM' end);
      continue when to_regclass(quote_ident(part)) is not null;
      execute format('select exists(select 1 from %I where %I >= $1 and %I < $2)', every.name || '_default', every.key, every.key)
        into taken using first_ms, end_ms;
      continue when taken and every.append_only;
      if taken then
        execute format('create temp table moved on commit drop as select * from %I where %I >= %s and %I < %s',
          every.name || '_default', every.key, first_ms, every.key, end_ms);
        execute format('delete from %I where %I >= %s and %I < %s', every.name || '_default', every.key, first_ms, every.key, end_ms);
      end if;
      execute format('create table %I partition of %I for values from (%s) to (%s)', part, every.name, first_ms, end_ms);
      if taken then
        -- Into the partition itself: they are no news, and nobody is told of them again.
        execute format('insert into %I overriding system value select * from moved', part);
        drop table moved;
      end if;
      if every.append_only then
        execute format('create trigger append_only before update or delete or truncate on %I for each statement execute function refuse_change()', part);
      end if;
      made := made + 1;
    end loop;
  end loop;
  return made;
end $$;

-- Drops the partitions of a table that end at or before a moment, and what the DEFAULT one has of that time. The books and the audit
-- log have no retention. A partition with a fact of a run that lives, or of books that are open, stays whatever its day: the clock of a
-- source may be years off, and what it said last would be dropped as old.
create or replace function drop_partitions(of_table text, before_ms bigint) returns integer
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
  part record;
  newest xid8;
  old_floor xid8;
  dropped integer := 0;
  needed boolean;
  needed_by constant text := 'select 1 from attempt a left join run r on r.id = a.run left join attempt_books b on b.attempt = a.id
    where a.id = f.attempt and (r.id is not null or not b.closed or b.dirty_from is not null)';
begin
  if of_table not in ('fact', 'log_chunk', 'feed') then
    raise exception '% is kept for ever', of_table;
  end if;
  if of_table = 'feed' then
    select feed_floor into old_floor from store for update;
    select xid into newest from feed where at < before_ms order by xid desc limit 1;
    update store set feed_floor = newest where newest > old_floor;
  end if;
  for part in
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = of_table::regclass and c.relname ~ ('^' || of_table || '_[0-9]{8}$')
      and extract(epoch from to_date(right(c.relname, 8), 'YYYYMMDD') + 1) * 1000 <= before_ms
    order by c.relname
  loop
    if of_table = 'fact' then
      execute format('select exists(select 1 from %I f where exists (%s))', part.name, needed_by) into needed;
      continue when needed;
    end if;
    execute format('drop table %I', part.name);
    dropped := dropped + 1;
  end loop;
  if of_table = 'fact' then
    -- Those of a day that never comes go with their attempt.
    execute format('delete from fact_default f where not exists (%s) and (f.sent_at < $1 or exists (select 1 from attempt a
      where a.id = f.attempt and not a.living and (a.image->>''endedAt'')::bigint < $1))', needed_by) using before_ms;
  else
    execute format('delete from %I where %I < $1', of_table || '_default',
      case of_table when 'log_chunk' then 'written_at' else 'at' end) using before_ms;
  end if;
  return dropped;
end $$;
