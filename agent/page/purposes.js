// SPDX-License-Identifier: Apache-2.0
// What a counter can be used for (docs/counter-page.md), in the order of the staff's buttons.

export const NUMBER_PURPOSES = ['resolve', 'link', 'unlink', 'withdraw_consent'];
export const ID_PURPOSES = ['show_id', 'create_id', 'change_id', 'delete_id', 'resume_id']; // at a municipality
const STAFF_ACTS = ['undo_link', 'suspend']; // without card and holder

export function usualPurpose(snap) {
  return snap?.terminal?.municipality ? 'show_id' : 'resolve';
}

export function purposeOf(snap) {
  const isKnown = [...NUMBER_PURPOSES, ...ID_PURPOSES, ...STAFF_ACTS].includes(snap?.purpose);
  return isKnown ? snap.purpose : usualPurpose(snap);
}

export function isStaffAct(purpose) {
  return STAFF_ACTS.includes(purpose);
}
