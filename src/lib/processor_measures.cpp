// SPDX-License-Identifier: MIT
// The decisions, measure by measure.
#include "lib/processor_measures.hpp"

#include <algorithm>
#include <array>

namespace lib {

namespace {

bool made_by_amd(const ProcessorFacts& facts) {
    return facts.vendor == Vendor::amd || facts.vendor == Vendor::hygon;
}

/// Intel's first Atoms execute in order, without speculation.
bool in_order(const ProcessorFacts& facts) {
    constexpr std::array<unsigned, 5> models{0x1c, 0x26, 0x27, 0x35, 0x36};
    return facts.vendor == Vendor::intel && facts.family == 6 &&
           std::ranges::find(models, facts.model) != models.end();
}

bool says(const ProcessorFacts& facts, std::uint64_t bits) {
    return (facts.capabilities & bits) == bits;
}

void decide_isolation(Measures& measures, const ProcessorFacts& facts, Choice choice) {
    switch (choice) {
    case Choice::on:
        measures.isolation = true;
        measures.isolation_reason = "the command line says so";
        return;
    case Choice::off: measures.isolation_reason = "the command line says so"; return;
    case Choice::automatic: break;
    }
    if (made_by_amd(facts)) {
        measures.isolation_reason = "AMD's processors check rights before they read";
    } else if (in_order(facts)) {
        measures.isolation_reason = "this processor executes in order";
    } else if (says(facts, rdcl_no)) {
        measures.isolation_reason = "the processor says RDCL_NO";
    } else {
        measures.isolation = true;
        measures.isolation_reason = "the processor does not say RDCL_NO";
    }
}

/// MDS, TAA, MMIO stale data and RFDS are all met by the same instruction.
bool leaks_buffers(const ProcessorFacts& facts) {
    if (facts.vendor != Vendor::intel || in_order(facts)) return false;
    const bool old = !says(facts, mds_no);
    const bool transactions = facts.rtm && !says(facts, taa_no);
    const bool devices = says(facts, fb_clear) && !says(facts, sbdr_ssdp_no | fbsdp_no | psdp_no);
    return (facts.md_clear && (old || transactions)) || devices || says(facts, rfds_clear);
}

/// INVLPG leaves global translations alone while CR4.PCIDE is set (Intel's specification updates of
/// the 12th to 14th Core generation): Alder Lake, its L and N, Raptor Lake, its P and S.
bool invlpg_misses_globals(const ProcessorFacts& facts) {
    constexpr std::array<unsigned, 6> models{0x97, 0x9a, 0xbe, 0xb7, 0xba, 0xbf};
    return facts.vendor == Vendor::intel && facts.family == 6 &&
           std::ranges::find(models, facts.model) != models.end();
}

void decide_pcid(Measures& measures, const ProcessorFacts& facts, Choice choice) {
    measures.pcid = false;
    if (!facts.pcid) {
        measures.pcid_reason = "the processor has none";
    } else if (choice == Choice::off) {
        measures.pcid_reason = "the command line says so";
    } else if (invlpg_misses_globals(facts)) {
        measures.pcid_reason = "with them, this processor's INVLPG misses global pages";
    } else {
        measures.pcid = true;
        measures.pcid_reason = "the processor has them";
    }
}

BranchMeasure branch_measure(const ProcessorFacts& facts) {
    if (facts.automatic_ibrs || (facts.ibrs && (says(facts, ibrs_all) || facts.ibrs_always)))
        return BranchMeasure::always;
    // Before enhanced IBRS, Intel's returns may ask the indirect predictor as well (RSBA, CVE-
    // 2022-29901), where retpolines don't help.
    if (facts.ibrs && facts.vendor == Vendor::intel) return BranchMeasure::each_entry;
    return BranchMeasure::none;
}

} // namespace

Measures decide_measures(const ProcessorFacts& facts, Choices choices) {
    Measures measures;
    decide_isolation(measures, facts, choices.isolation);
    decide_pcid(measures, facts, choices.pcid);
    if (choices.speculation == Choice::off) {
        measures.speculation_reason = "the command line says so";
        return measures;
    }
    const bool all = choices.speculation == Choice::on;
    if (!all && facts.emulated) {
        measures.speculation_reason = "an emulator does not speculate";
        return measures;
    }
    if (!all && in_order(facts)) {
        measures.speculation_reason = "this processor executes in order";
        return measures;
    }
    measures.fences = all || !made_by_amd(facts);
    measures.branches = branch_measure(facts);
    measures.retpolines = all || measures.branches == BranchMeasure::none;
    measures.buffers = facts.md_clear && all ? true : leaks_buffers(facts);
    measures.barrier = facts.ibpb;
    measures.siblings_apart = facts.stibp;
    measures.no_store_bypass = all && facts.ssbd && !says(facts, ssb_no);
    measures.fill_returns = true;
    return measures;
}

} // namespace lib
