// Which address shows which page. The page of a run is a chunk of its own: the list of runs comes first and must be quick.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, redirect } from '@tanstack/react-router'
import { Frame } from './frame/frame.tsx'
import { Empty, Reading, Refusal } from './parts/bits.tsx'
import { RunsPage } from './runs/page.tsx'

type Search = Record<string, string>

/** Addresses are read by people and written by hand: plain words, no JSON. */
const readSearch = (text: string): Search => Object.fromEntries(new URLSearchParams(text))
const writeSearch = (search: Record<string, unknown>): string => {
  const given = Object.entries(search).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  const text = new URLSearchParams(given)
    .toString()
    .replaceAll('%2C', ',')
    .replaceAll('%2F', '/')
    .replaceAll('%3A', ':')
  return text === '' ? '' : `?${text}`
}
const validateSearch = (search: Record<string, unknown>): Search =>
  Object.fromEntries(Object.entries(search).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))

const root = createRootRoute({
  component: Frame,
  notFoundComponent: () => (
    <>
      <div className="head">
        <h1>Not found</h1>
      </div>
      <Empty title="There is no such page">
        <Link to="/runs">All runs</Link>
      </Empty>
    </>
  ),
})
const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/now', replace: true })
  },
})
const runs = createRoute({ getParentRoute: () => root, path: '/runs', validateSearch, component: RunsPage })

const nodes = createRoute({
  getParentRoute: () => root,
  path: '/nodes',
  validateSearch,
  component: lazyRouteComponent(() => import('./nodes/page.tsx'), 'NodesPage'),
})

const queue = createRoute({
  getParentRoute: () => root,
  path: '/queue',
  validateSearch,
  component: lazyRouteComponent(() => import('./queue/page.tsx'), 'QueuePage'),
})

const now = createRoute({
  getParentRoute: () => root,
  path: '/now',
  validateSearch,
  component: lazyRouteComponent(() => import('./now/page.tsx'), 'NowPage'),
})

const alerts = createRoute({
  getParentRoute: () => root,
  path: '/alerts',
  component: lazyRouteComponent(() => import('./alerts/page.tsx'), 'AlertsPage'),
})

const cost = createRoute({
  getParentRoute: () => root,
  path: '/cost',
  validateSearch,
  component: lazyRouteComponent(() => import('./cost/page.tsx'), 'CostPage'),
})

const projects = createRoute({
  getParentRoute: () => root,
  path: '/projects',
  validateSearch,
  component: lazyRouteComponent(() => import('./projects/page.tsx'), 'ProjectsPage'),
})
const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  validateSearch,
  component: lazyRouteComponent(() => import('./audit/page.tsx'), 'AuditPage'),
})
const settings = createRoute({
  getParentRoute: () => root,
  path: '/settings',
  validateSearch,
  component: lazyRouteComponent(() => import('./settings/page.tsx'), 'SettingsPage'),
})

const load = () => import('./run/pages.tsx')
const run = createRoute({
  getParentRoute: () => root,
  path: '/runs/$run',
  validateSearch,
  component: lazyRouteComponent(load, 'RunPage'),
})
const overview = createRoute({
  getParentRoute: () => run,
  path: '/',
  component: lazyRouteComponent(load, 'Overview'),
})
const experts = createRoute({
  getParentRoute: () => run,
  path: '/experts',
  component: lazyRouteComponent(() => import('./experts/page.tsx'), 'ExpertsTab'),
})
const logs = createRoute({ getParentRoute: () => run, path: '/logs', component: lazyRouteComponent(load, 'LogsTab') })
const events = createRoute({
  getParentRoute: () => run,
  path: '/events',
  component: lazyRouteComponent(load, 'EventsTab'),
})
const config = createRoute({
  getParentRoute: () => run,
  path: '/config',
  component: lazyRouteComponent(load, 'ConfigTab'),
})
const statement = createRoute({
  getParentRoute: () => run,
  path: '/statement',
  component: lazyRouteComponent(load, 'StatementTab'),
})
const json = createRoute({ getParentRoute: () => run, path: '/json', component: lazyRouteComponent(load, 'JsonTab') })

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    runs,
    now,
    cost,
    projects,
    audit,
    settings,
    nodes,
    queue,
    alerts,
    run.addChildren([overview, experts, logs, events, config, statement, json]),
  ]),
  parseSearch: readSearch,
  stringifySearch: writeSearch,
  defaultPreload: 'intent',
  defaultPendingComponent: () => <Reading what="the page" />,
  defaultErrorComponent: ({ error }) => <Refusal error={error} />,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
