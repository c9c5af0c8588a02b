export function ExpertsTab() {
  return null
}
