/**
 * Many agents in few words: `settler/0001-0100, 0103`. For messages and facts, so that one event tells of a whole cell.
 */
import { formatAgent, type AgentRef } from '../model/model.ts'

/** Ranges that are spelled out; the rest is counted. */
const mostRanges = 8

const formatType = (agents: readonly AgentRef[]): string => {
  const first = agents[0]!
  const numbers = agents.map((agent) => agent.number).toSorted((a, b) => a - b)
  const ranges: { readonly from: number; to: number }[] = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last && number <= last.to + 1) last.to = number
    else ranges.push({ from: number, to: number })
  }
  const pad = (number: number): string => String(number).padStart(4, '0')
  const told = ranges
    .slice(0, mostRanges)
    .map(({ from, to }) => (from === to ? pad(from) : `${pad(from)}-${pad(to)}`))
    .join(', ')
  const spelled = ranges.slice(0, mostRanges).reduce((sum, { from, to }) => sum + to - from + 1, 0)
  const rest = numbers.length - spelled
  const prefix = formatAgent(first).slice(0, first.type.length + 1)
  return `${prefix}${told}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** Agents in any order, type by type. */
export const formatAgents = (agents: readonly AgentRef[]): string => {
  if (agents.length === 0) return 'no agent'
  return [...Map.groupBy(agents, (agent) => agent.type).values()].map(formatType).join('; ')
}
