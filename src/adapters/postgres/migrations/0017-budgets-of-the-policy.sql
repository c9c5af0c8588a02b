-- Of a thousand series with years of days, those of the policy are few: every submission and every turn reads them.
create index budget_of_policy on budget (id) where series is null;
