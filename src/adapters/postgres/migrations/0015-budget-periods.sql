-- A budget counts for all time, within a window, or period by period: then its rows of periods, opened when they are needed, count.
alter table budget add column every text check (every in ('day', 'week', 'month', 'quarter'));
alter table budget add column "from" bigint;
alter table budget add column "to" bigint;
alter table budget add column series text;
alter table budget add column extended bigint not null default 0 check (extended >= 0);
alter table budget add constraint budget_period
  check ((("from" is null) = ("to" is null)) and (every is null or "from" is null) and (series is null or "from" is not null));
create unique index budget_of_series on budget (series, "to") where series is not null;

-- What was posted to each budget of the policy, by day of UTC: the trend of a forecast.
create table budget_spent (
  budget text not null,
  day bigint not null,
  amount bigint not null,
  primary key (budget, day)
);

-- What somebody asked for beyond a limit, and what was decided.
create table budget_extension (
  id text primary key,
  budget text not null,
  at bigint not null,
  amount bigint not null check (amount > 0),
  reason text not null,
  asked_by text not null,
  asked_at bigint not null,
  decided_by text,
  decided_at bigint,
  granted boolean,
  answer text,
  constraint budget_extension_decided
    check ((decided_by is null) = (decided_at is null) and (decided_at is null) = (granted is null))
);
create index budget_extension_open on budget_extension (asked_at) where decided_at is null;

-- A price counts from a moment on.
alter table price add column since bigint not null default 0;
alter table price drop constraint price_pkey;
alter table price add primary key (gpu_model, since);
