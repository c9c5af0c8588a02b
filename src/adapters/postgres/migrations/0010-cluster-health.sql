-- What the leader's last look at each cluster said, for processes that look at none themselves: written on change and every `persist`.
create table cluster_health (
  cluster text primary key,
  -- Why it could not be asked; null: it was reached.
  unknown text,
  observed_at bigint not null
);
