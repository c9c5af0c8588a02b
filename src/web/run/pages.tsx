// The page of one run and its tabs: one chunk, read when a run is opened first.
export { ConfigTab } from './config.tsx'
export { EventsTab } from './events.tsx'
export { JsonTab } from './json.tsx'
export { LogsTab } from './logs.tsx'
export { Overview } from './overview.tsx'
export { RunPage } from './page.tsx'
export { StatementTab } from './statement.tsx'
