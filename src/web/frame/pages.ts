// The pages that there are, in the order in which the rail and the palette show them.
export const PAGES = [
  { to: '/now', name: 'Now' },
  { to: '/runs', name: 'Runs' },
  { to: '/queue', name: 'Queue' },
  { to: '/cost', name: 'Cost' },
  { to: '/nodes', name: 'Nodes' },
  { to: '/alerts', name: 'Alerts' },
  { to: '/projects', name: 'Projects' },
  { to: '/audit', name: 'Audit' },
  { to: '/settings', name: 'Settings' },
] as const

/** Those that stand below on a narrow screen; the rest is behind one more. */
export const BELOW: ReadonlySet<string> = new Set(['/now', '/runs', '/queue', '/alerts'])
