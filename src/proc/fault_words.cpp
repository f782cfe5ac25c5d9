// SPDX-License-Identifier: MIT
// The words of fault reports.
#include "proc/fault_words.hpp"

#include "vm/fault_access.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace proc {

namespace {

/// The first address that is not in the lower half of a paging structure with 4 levels.
constexpr VirtAddr user_half_end{0x0000'8000'0000'0000};

/// `read of`, `write to`, `execution of`: followed by what was accessed.
std::string_view verb(vm::FaultAccess access) {
    if (access.execute) return "execution of ";
    return access.write ? "write to " : "read of ";
}

std::string_view accessed(const Fault& fault, vm::Resolution resolution,
                          const std::optional<vm::AddressSpace::Located>& found) {
    if (!found) return "kernel memory";
    if (resolution == vm::Resolution::hole) return "a hole";
    if (resolution == vm::Resolution::beyond_end) return "memory beyond its object's end";
    if (resolution == vm::Resolution::needs_page) return "a page that its pager does not give";
    if (found->entry.access() == vm::Access::none()) return "inaccessible memory";
    if (fault.access.execute) return "non-executable memory";
    return fault.access.write ? "read-only memory" : "unreadable memory";
}

/// What met its end at a guard, or at the guard that is left of memory that grows; empty if none.
std::string_view limit_met(const vm::AddressSpace::Located& found, vm::FaultAccess access) {
    if (found.entry.kind(found.level) != vm::EntryKind::callback) return {};
    const vm::Id id = found.entry.id();
    if (id == vm::callback_guard) return "stack overflow";
    if (!vm::permits(found.entry.access(), access)) return {};
    if (id == vm::callback_stack_growth) return "stack overflow";
    return id == vm::callback_heap_growth ? "heap overflow" : std::string_view{};
}

void write_page_fault(lib::TextWriter& line, const Fault& fault, vm::Resolution resolution,
                      const std::optional<vm::AddressSpace::Located>& found) {
    if (resolution == vm::Resolution::no_memory || resolution == vm::Resolution::over_quota) {
        line.append("out of memory");
    } else if (resolution == vm::Resolution::watched) {
        line.append("first access to watched memory");
    } else if (const auto end = found ? limit_met(*found, fault.access) : ""; !end.empty()) {
        line.append(end);
    } else {
        line.append(verb(fault.access));
        line.append(accessed(fault, resolution, found));
    }
}

std::string_view words(FaultKind kind) {
    switch (kind) {
    case FaultKind::page: break; // has words of its own
    case FaultKind::divide: return "divide error";
    case FaultKind::debug: return "debug exception";
    case FaultKind::breakpoint: return "breakpoint";
    case FaultKind::illegal: return "illegal instruction";
    case FaultKind::privileged: return "privileged instruction or bad address";
    case FaultKind::stack: return "stack fault";
    case FaultKind::alignment: return "misaligned access";
    case FaultKind::floating_point: return "floating-point error";
    case FaultKind::other: return "exception";
    case FaultKind::foreign_call: return "foreign system call";
    }
    return "exception";
}

std::string_view state_name(vm::EntryKind kind) {
    switch (kind) {
    case vm::EntryKind::empty:
    case vm::EntryKind::table: return "empty";
    case vm::EntryKind::leaf: return "present";
    case vm::EntryKind::lazy: return "lazy";
    case vm::EntryKind::shared:
    case vm::EntryKind::graft: return "shared";
    case vm::EntryKind::file: return "file";
    case vm::EntryKind::callback: return "callback";
    case vm::EntryKind::parked: return "parked";
    case vm::EntryKind::uncached: return "uncached";
    }
    return "unknown";
}

void write_state(lib::TextWriter& line, const std::optional<vm::AddressSpace::Located>& found) {
    if (!found) {
        line.append("kernel ---");
        return;
    }
    const vm::Access access = found->entry.access();
    const std::array<char, 3> rights = {access.readable() ? 'r' : '-',
                                        access.writable() ? 'w' : '-',
                                        access.executable() ? 'x' : '-'};
    line.format("{} {}", state_name(found->entry.kind(found->level)),
                std::string_view(rights.data(), rights.size()));
}

} // namespace

void write_fault_report(lib::TextWriter& line, const Identity& who, const vm::AddressSpace& space,
                        const Fault& fault, vm::Resolution resolution, Delivery upcall,
                        PageCount memory_limit) {
    const VirtAddr decides = fault.has_address ? fault.address : fault.instruction;
    std::optional<vm::AddressSpace::Located> found;
    if (decides < user_half_end) found = space.locate(decides);

    line.format("fault: {}[{}]: ", who.name, who.id);
    if (fault.kind == FaultKind::page) {
        write_page_fault(line, fault, resolution, found);
    } else {
        line.append(words(fault.kind));
    }
    if (fault.has_address) {
        line.format(" at {}", fault.address);
    } else {
        line.append(" at no address");
    }
    line.format(" by {}, entry ", fault.instruction);
    write_state(line, found);
    if (resolution == vm::Resolution::over_quota)
        line.format(", limit {} KiB", memory_limit.bytes() / 1024);
    if (upcall == Delivery::no_room) line.append(", upcall stack used up");
    if (upcall == Delivery::bad_stack) line.append(", upcall stack not writable");
    line.append("\n");
}

} // namespace proc
