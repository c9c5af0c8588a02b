-- The change feed: what became of an item, written by triggers so that no writer can forget it. An image is the whole row; `sequence`
-- is drawn under the lock of the row, so that of two images of an item the higher one is the newer.
create table feed (
  sequence bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  at bigint not null default floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
  kind text not null,
  id text not null,
  -- Whose pages it changes.
  run text,
  image jsonb
) partition by range (at);
create table feed_default partition of feed default;
create index feed_position on feed (xid, sequence);
create index feed_at on feed (at);

-- The newest transaction of which something was dropped: whoever stands there or before has missed something.
alter table store add column feed_floor xid8 not null default '0';

create function tell_row() returns trigger language plpgsql as $$
begin
  insert into feed (kind, id, run, image) values (
    case tg_table_name when 'run_ended' then 'run' when 'store' then 'queue' else tg_table_name end,
    case tg_table_name when 'project' then to_jsonb(new)->>'name' when 'store' then 'queue'
      when 'claim' then (to_jsonb(new)->>'node') || ' ' || (to_jsonb(new)->>'holder') else to_jsonb(new)->>'id' end,
    case when tg_table_name in ('run', 'run_ended') then to_jsonb(new)->>'id' else to_jsonb(new)->>'run' end,
    to_jsonb(new));
  return null;
end $$;
create function tell_gone() returns trigger language plpgsql as $$
begin
  insert into feed (kind, id) values (tg_table_name, case tg_table_name when 'project' then to_jsonb(old)->>'name' else to_jsonb(old)->>'id' end);
  return null;
end $$;

create trigger tell after insert or update on run for each row execute function tell_row();
create trigger tell after insert or update on run_ended for each row execute function tell_row();
create trigger tell after insert or update on attempt for each row execute function tell_row();
create trigger tell after insert or update on claim for each row execute function tell_row();
create trigger tell after insert or update on project for each row execute function tell_row();
create trigger tell after insert or update on budget for each row execute function tell_row();
create trigger tell_gone after delete on project for each row execute function tell_gone();
create trigger tell_gone after delete on budget for each row execute function tell_gone();
create trigger tell after update of queue_paused, queue_reason on store for each row execute function tell_row();
-- A heartbeat changes no version and is no news.
create trigger tell_first after insert on node for each row execute function tell_row();
create trigger tell after update on node for each row when (old.version <> new.version) execute function tell_row();

-- New facts of an attempt: a row for each attempt and statement, whatever the number of facts.
create function tell_facts() returns trigger language plpgsql as $$
begin
  insert into feed (kind, id, run, image)
    select 'facts', n.attempt, a.run, jsonb_build_object('newestAt', n.at)
    from (select attempt, max(at) as at from added group by attempt) n join attempt a on a.id = n.attempt
    order by n.attempt;
  return null;
end $$;
create trigger tell after insert on fact referencing new table as added for each statement execute function tell_facts();

-- Makes the partitions of today and of the three days (or months) after it. SECURITY DEFINER: who runs the program need not own the
-- tables. A range of which rows lie in the DEFAULT partition is left there.
create function make_partitions(now_ms bigint) returns integer
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
      continue when taken;
      execute format('create table %I partition of %I for values from (%s) to (%s)', part, every.name, first_ms, end_ms);
      if every.append_only then
        execute format('create trigger append_only before update or delete or truncate on %I for each statement execute function refuse_change()', part);
      end if;
      made := made + 1;
    end loop;
  end loop;
  return made;
end $$;

-- Drops the partitions of a table that end at or before a moment, and what the DEFAULT one has of that time. The books and the audit
-- log have no retention.
create function drop_partitions(of_table text, before_ms bigint) returns integer
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '2s' as $$
declare
  part record;
  newest xid8;
  old_floor xid8;
  dropped integer := 0;
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
    execute format('drop table %I', part.name);
    dropped := dropped + 1;
  end loop;
  execute format('delete from %I where %I < $1', of_table || '_default',
    case of_table when 'fact' then 'sent_at' when 'log_chunk' then 'written_at' else 'at' end) using before_ms;
  return dropped;
end $$;

create trigger append_only before update or delete or truncate on held_default for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on cell_revision_default for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on posting_default for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on audit_default for each statement execute function refuse_change();
