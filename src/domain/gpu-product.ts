// The name of a GPU as its driver says it, in the words of the GPU catalogue. A product that is not known here gets its own name in
// lower case: it can be asked for all the same, and has no price or peak until the catalogue says so.

const PRODUCTS: readonly (readonly [RegExp, string])[] = [
  [/\bGB300\b/i, 'gb300'],
  [/\bGB200\b/i, 'gb200'],
  [/\bGH200\b/i, 'gh200'],
  [/\bB300\b/i, 'b300'],
  [/\bB200\b/i, 'b200'],
  [/\bH200\b.*\bNVL\b/i, 'h200-nvl'],
  [/\bH200\b/i, 'h200'],
  [/\bH100\b.*\bNVL\b/i, 'h100-nvl'],
  [/\bH100\b.*\bPCIe\b/i, 'h100-pcie'],
  [/\bH100\b.*\b(HBM3|SXM\d?)\b/i, 'h100-sxm'],
  // The H800 exists on a PCIe card too, which the catalogue does not know: that one keeps its own name.
  [/\bH800\b(?!.*PCIe)/i, 'h800-sxm'],
  [/\bH20\b/i, 'h20'],
  [/\bA800\b.*\bSXM4?\b.*\b80GB\b/i, 'a800-sxm-80'],
  [/\bA100\b.*\bSXM4?\b.*\b80GB\b/i, 'a100-sxm-80'],
  [/\bA100\b.*\bSXM4?\b.*\b40GB\b/i, 'a100-sxm-40'],
  [/\bA100\b(?=.*\bPCIe\b).*\b80GB\b/i, 'a100-pcie-80'],
  [/\bA100\b(?=.*\bPCIe\b).*\b40GB\b/i, 'a100-pcie-40'],
  [/\bL40S\b/i, 'l40s'],
  [/\bV100\b.*\bSXM2\b.*\b32GB\b/i, 'v100-sxm2-32'],
  [/\bMI250X\b/i, 'mi250x'],
  [/\bMI300X\b/i, 'mi300x'],
  [/\bMI325X\b/i, 'mi325x'],
  [/\bMI355X\b/i, 'mi355x'],
]

export function catalogueName(product: string): string {
  const known = PRODUCTS.find(([pattern]) => pattern.test(product))
  if (known !== undefined) return known[1]
  const own = product
    .toLowerCase()
    .replace(/\b(nvidia|amd|geforce|instinct)\b/g, ' ')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return own === '' ? 'unknown' : own.slice(0, 63)
}
