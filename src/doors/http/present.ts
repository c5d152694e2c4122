/** Rows of the record as the API tells them: amounts as text in major units beside their currency. */
import { formatAmount } from '../../std/std.ts'
import type { AccountView, SettlementView, TransferView } from '../../store/store.ts'
import type { AccountAnswer, SettlementAnswer, TransferAnswer } from '../api.ts'

export const presentSettlement = (view: SettlementView): SettlementAnswer => ({
  id: view.id,
  payer: view.payer,
  reference: view.reference,
  payee: view.payee,
  amount: formatAmount(view.amountMinor, view.currency),
  currency: view.currency,
  channel: view.channel,
  state: view.state,
  reason: view.reason,
  providerKey: view.providerKey,
  providerReference: view.providerReference,
  batch: view.batch,
  task: view.task,
  agent: view.agent,
  tries: view.tries,
  person: view.person,
  nextMs: view.nextMs,
  createdMs: view.createdMs,
  updatedMs: view.updatedMs,
})

export const presentTransfer = ({ amountMinor, ...view }: TransferView): TransferAnswer => ({
  ...view,
  amount: formatAmount(amountMinor, view.currency),
})

export const presentAccount = (view: AccountView): AccountAnswer => ({
  code: view.code,
  currency: view.currency,
  debitsPending: formatAmount(view.debitsPending, view.currency),
  debitsPosted: formatAmount(view.debitsPosted, view.currency),
  creditsPending: formatAmount(view.creditsPending, view.currency),
  creditsPosted: formatAmount(view.creditsPosted, view.currency),
})
