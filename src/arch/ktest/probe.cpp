// SPDX-License-Identifier: MIT
// The C++ half of the probes: probe_code.S is the other.
#include "arch/ktest/probe.hpp"

#include "arch/ktest/probe_code.hpp"
#include "arch/ktest/user_page.hpp"
#include "arch/panic_report.hpp"

namespace arch::ktest {
namespace {

constexpr std::uint64_t flag_alignment_check = 1ULL << 18;

constinit Fault last{};

Fault probe(void (*code)(VirtAddr), VirtAddr address) {
    last = {};
    code(address);
    return last;
}

} // namespace

Fault probe_read(VirtAddr address) { return probe(probe_code_read, address); }
Fault probe_write(VirtAddr address) { return probe(probe_code_write, address); }
Fault probe_execute(VirtAddr address) { return probe(probe_code_execute, address); }
Fault probe_read_as_copy(VirtAddr address) { return probe(probe_code_read_as_copy, address); }

bool probe_keeps_registers(VirtAddr address) { return probe_code_registers(address) == 0; }

bool catch_fault(TrapFrame& frame) {
    if (probe_resume == 0) return UserPage::resolve(frame);
    last = {.happened = true,
            .vector = frame.vector,
            .error = frame.error,
            .address = {ControlRegisters::read().cr2}};
    frame.rip = probe_resume;
    frame.rsp = probe_stack;
    frame.rflags &= ~flag_alignment_check;
    probe_resume = 0;
    return true;
}

} // namespace arch::ktest
