// The pages that there are, in the order in which the rail and the palette show them.
export const PAGES = [
  { to: '/now', name: 'Now' },
  { to: '/runs', name: 'Runs' },
  { to: '/queue', name: 'Queue' },
  { to: '/cost', name: 'Cost' },
  { to: '/nodes', name: 'Nodes' },
  { to: '/projects', name: 'Projects' },
  { to: '/audit', name: 'Audit' },
  { to: '/settings', name: 'Settings' },
] as const

/** As many as stand below on a narrow screen; the rest is behind one more. */
export const BELOW = 4
