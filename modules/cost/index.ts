export { HOURS_A_MONTH, partRunning } from "./hours";
export { type CostItem, type CostQuestion, type MonthlyCost, monthlyCost } from "./monthly";
export { monthlyCostOfResources, type ResourceValues } from "./of-resources";
export {
  bundledPrices,
  type MachinePrices,
  type Price,
  type Prices,
  SOURCES,
  type Source,
  withMachinePrices,
} from "./prices";
export { type ComparedSize, compareSizes, DESIGN_REGION } from "./sizes";
export { DEFAULT_PEERS, type Usage } from "./usage";
export { type Change, dollars, otherMachines, whatIf } from "./what-if";
