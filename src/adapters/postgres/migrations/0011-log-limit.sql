-- How much the workers of a run have printed, and when that was as much as is stored of one ({at, worker, bytesMax}).
create table run_log (
  run text primary key,
  printed bigint not null,
  cut jsonb
);
insert into run_log (run, printed)
  select a.run, sum(l."offset") from log_cursor l join attempt a on a.id = l.attempt where l."offset" > 0 group by a.run;

-- Where the stored part of a log ends for good; null: nothing was left out. What a reader keeps of batches that are not whole yet.
alter table log_cursor add column stored_to bigint, add column spool text not null default '';
