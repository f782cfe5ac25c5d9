// SPDX-License-Identifier: MIT
// Which measures processors get, by what they say of themselves.
#include "lib/processor_measures.hpp"

#include <doctest/doctest.h>

using lib::BranchMeasure;
using lib::Choice;
using lib::Measures;
using lib::ProcessorFacts;
using lib::Vendor;

namespace {

Measures automatic(const ProcessorFacts& facts) { return lib::decide_measures(facts, {}); }

/// Skylake with the microcode of 2019.
constexpr ProcessorFacts skylake{.vendor = Vendor::intel,
                                 .family = 6,
                                 .model = 0x5e,
                                 .ibrs = true,
                                 .ibpb = true,
                                 .stibp = true,
                                 .ssbd = true,
                                 .md_clear = true,
                                 .rtm = true,
                                 .pcid = true};
/// Sapphire Rapids.
constexpr ProcessorFacts recent_intel{.vendor = Vendor::intel,
                                      .family = 6,
                                      .model = 0x8f,
                                      .capabilities = lib::rdcl_no | lib::ibrs_all | lib::mds_no |
                                                      lib::taa_no | lib::sbdr_ssdp_no |
                                                      lib::fbsdp_no | lib::psdp_no | lib::fb_clear,
                                      .ibrs = true,
                                      .ibpb = true,
                                      .stibp = true,
                                      .ssbd = true,
                                      .md_clear = true,
                                      .rtm = true,
                                      .pcid = true};
constexpr ProcessorFacts zen4{.vendor = Vendor::amd,
                              .family = 0x19,
                              .model = 0x61,
                              .ibrs = true,
                              .automatic_ibrs = true,
                              .ibpb = true,
                              .stibp = true,
                              .ssbd = true,
                              .pcid = true};

} // namespace

TEST_CASE("roots are isolated where user mode might read the kernel's") {
    CHECK(automatic(skylake).isolation);
    CHECK_FALSE(automatic(recent_intel).isolation);
    CHECK_FALSE(automatic(zen4).isolation);
    CHECK_FALSE(automatic({.vendor = Vendor::hygon, .family = 0x18}).isolation);
    CHECK(automatic({.vendor = Vendor::zhaoxin, .family = 7}).isolation);
    CHECK_FALSE(automatic({.vendor = Vendor::zhaoxin, .capabilities = lib::rdcl_no}).isolation);
    CHECK(automatic({.vendor = Vendor::other}).isolation);
    CHECK_FALSE(automatic({.vendor = Vendor::intel, .family = 6, .model = 0x1c}).isolation);
    CHECK(automatic({.vendor = Vendor::intel, .family = 6, .model = 0x37}).isolation);
    for (const ProcessorFacts& facts : {skylake, recent_intel, zen4}) {
        CHECK(lib::decide_measures(facts, {.isolation = Choice::on}).isolation);
        CHECK_FALSE(lib::decide_measures(facts, {.isolation = Choice::off}).isolation);
        CHECK_FALSE(automatic(facts).isolation_reason.empty());
    }
}

TEST_CASE("buffers are overwritten where they leak and the processor can") {
    CHECK(automatic(skylake).buffers);
    CHECK_FALSE(automatic(recent_intel).buffers);
    CHECK_FALSE(automatic(zen4).buffers);
    ProcessorFacts facts = skylake;
    facts.md_clear = false;
    CHECK_FALSE(automatic(facts).buffers);
    facts = recent_intel; // transactions that leak
    facts.capabilities &= ~std::uint64_t{lib::taa_no};
    CHECK(automatic(facts).buffers);
    facts.rtm = false;
    CHECK_FALSE(automatic(facts).buffers);
    facts = recent_intel; // stale data from devices
    facts.capabilities &= ~std::uint64_t{lib::psdp_no};
    CHECK(automatic(facts).buffers);
    facts = recent_intel; // register files
    facts.capabilities |= lib::rfds_clear;
    CHECK(automatic(facts).buffers);
}

TEST_CASE("indirect branches are kept from user mode's advice") {
    CHECK(automatic(skylake).branches == BranchMeasure::each_entry);
    CHECK(automatic(recent_intel).branches == BranchMeasure::always);
    CHECK(automatic(zen4).branches == BranchMeasure::always);
    ProcessorFacts facts = skylake;
    facts.ibrs = false;
    CHECK(automatic(facts).branches == BranchMeasure::none);
    CHECK(automatic(facts).retpolines);
    facts = zen4;
    facts.automatic_ibrs = false;
    CHECK(automatic(facts).branches == BranchMeasure::none);
    CHECK(automatic(facts).retpolines);
    facts.ibrs_always = true;
    CHECK(automatic(facts).branches == BranchMeasure::always);
    CHECK_FALSE(automatic(facts).retpolines);
}

TEST_CASE("what needs nothing goes by the plain ways") {
    CHECK_FALSE(automatic(zen4).guarded());
    CHECK(automatic(recent_intel).guarded()); // for its fences
    CHECK(automatic(skylake).guarded());
    ProcessorFacts emulated{.vendor = Vendor::amd, .family = 6, .emulated = true};
    CHECK_FALSE(automatic(emulated).guarded());
    CHECK_FALSE(automatic(emulated).speculation());
    CHECK(lib::decide_measures(emulated, {.speculation = Choice::on}).retpolines);
    CHECK_FALSE(automatic({.vendor = Vendor::intel, .family = 6, .model = 0x26}).guarded());
}

TEST_CASE("the command line has the last word") {
    const Measures none =
        lib::decide_measures(skylake, {.isolation = Choice::off, .speculation = Choice::off});
    CHECK_FALSE(none.guarded());
    CHECK_FALSE(none.speculation());
    CHECK(none.pcid);
    const Measures all =
        lib::decide_measures(recent_intel, {.isolation = Choice::on, .speculation = Choice::on});
    CHECK(all.isolation);
    CHECK(all.buffers);
    CHECK(all.no_store_bypass);
    CHECK(all.retpolines);
    CHECK_FALSE(automatic(recent_intel).no_store_bypass);
}

TEST_CASE("no PCIDs where INVLPG would miss global pages") {
    ProcessorFacts alder_lake = recent_intel;
    alder_lake.model = 0x97;
    CHECK_FALSE(automatic(alder_lake).pcid);
    CHECK(automatic(recent_intel).pcid);
    CHECK_FALSE(lib::decide_measures(alder_lake, {.pcid = Choice::on}).pcid);
    CHECK_FALSE(lib::decide_measures(recent_intel, {.pcid = Choice::off}).pcid);
    CHECK_FALSE(lib::decide_measures({}, {.pcid = Choice::on}).pcid);
    CHECK_FALSE(automatic({.vendor = Vendor::intel, .family = 6, .model = 0x5e}).pcid);
}
