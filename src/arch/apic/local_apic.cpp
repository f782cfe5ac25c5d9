// SPDX-License-Identifier: MIT
// Registers of the local APIC, by memory (xAPIC) or model-specific registers (x2APIC).
#include "arch/apic/local_apic.hpp"

#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/log.hpp"
#include "arch/memory/device_window.hpp"
#include "arch/trap/interrupts.hpp"

namespace arch::local_apic {

namespace {

/// Offsets of the xAPIC; x2APIC's register numbers are a sixteenth of them (SDM vol. 3A, table
/// 10-6).
enum class Register : std::uint32_t {
    id = 0x20,
    version = 0x30,
    task_priority = 0x80,
    end_of_interrupt = 0xb0,
    spurious_vector = 0xf0,
    error_status = 0x280,
    lvt_machine_check = 0x2f0,
    interrupt_command = 0x300,     ///< low half; x2APIC: all of it
    interrupt_destination = 0x310, ///< high half; x2APIC: not there
    lvt_timer = 0x320,
    lvt_thermal = 0x330,
    lvt_performance = 0x340,
    lvt_lint0 = 0x350,
    lvt_lint1 = 0x360,
    lvt_error = 0x370,
    initial_count = 0x380,
    current_count = 0x390,
    divide = 0x3e0,
};

constexpr std::uint64_t base_enable = 1ULL << 11;
constexpr std::uint64_t base_x2apic = 1ULL << 10;
constexpr std::uint32_t software_enable = 1U << 8;
constexpr std::uint32_t lvt_masked = 1U << 16;
constexpr std::uint32_t lvt_nmi = 4U << 8;
constexpr std::uint32_t timer_deadline = 2U << 17;
constexpr std::uint32_t divide_by_one = 0xb;
constexpr std::uint32_t command_pending = 1U << 12; ///< xAPIC: not yet accepted

constinit bool x2apic = false;
constinit volatile std::uint32_t* registers = nullptr;

std::uint32_t read(Register number) {
    const auto offset = static_cast<std::uint32_t>(number);
    if (x2apic)
        return static_cast<std::uint32_t>(
            read_msr(Msr{static_cast<std::uint32_t>(Msr::x2apic_first) + offset / 16}));
    return registers[offset / 4];
}

void write(Register number, std::uint32_t value) {
    const auto offset = static_cast<std::uint32_t>(number);
    if (x2apic) {
        write_msr(Msr{static_cast<std::uint32_t>(Msr::x2apic_first) + offset / 16}, value);
    } else {
        registers[offset / 4] = value;
    }
}

void report_error() {
    write(Register::error_status, 0); // latches what was found since
    log("local APIC: error {:x}", read(Register::error_status));
}

/// Local vector table entries; those that this APIC lacks stay alone (SDM vol. 3A, 10.4.8).
void mask_all() {
    const std::uint32_t last = (read(Register::version) >> 16) & 0xff;
    write(Register::lvt_timer, lvt_masked);
    write(Register::lvt_lint0, lvt_masked); // the PICs
    write(Register::lvt_lint1, lvt_nmi);
    if (last >= 4) write(Register::lvt_performance, lvt_masked);
    if (last >= 5) write(Register::lvt_thermal, lvt_masked);
    if (last >= 6) write(Register::lvt_machine_check, lvt_masked);
}

} // namespace

Result<void> initialise(PhysAddr base) {
    x2apic = cpu_features().x2apic;
    if (!x2apic) registers = static_cast<volatile std::uint32_t*>(TRY(map_device(base, page_size)));
    set_interrupt_handler(vector_apic_error, report_error);
    initialise_cpu();
    return {};
}

void initialise_cpu() {
    const std::uint64_t before = read_msr(Msr::apic_base);
    write_msr(Msr::apic_base, before | base_enable);
    if (x2apic) write_msr(Msr::apic_base, before | base_enable | base_x2apic);
    mask_all();
    write(Register::task_priority, 0);
    write(Register::error_status, 0);
    write(Register::lvt_error, vector_apic_error);
    write(Register::spurious_vector, software_enable | vector_spurious);
    end_of_interrupt(); // whatever the firmware left in service
}

std::uint32_t id() { return x2apic ? read(Register::id) : read(Register::id) >> 24; }

bool is_x2apic() { return x2apic; }
std::uint64_t register_address() { return reinterpret_cast<std::uint64_t>(registers); }

void send(std::uint32_t apic_id, std::uint32_t command) {
    if (x2apic) {
        // The write does not wait for stores before it, which the receiver is to see (SDM vol. 3A,
        // 10.12.3).
        asm volatile("mfence\n\tlfence" : : : "memory");
        constexpr auto number = static_cast<std::uint32_t>(Msr::x2apic_first) +
                                static_cast<std::uint32_t>(Register::interrupt_command) / 16;
        write_msr(Msr{number}, std::uint64_t{apic_id} << 32 | command);
        return;
    }
    // The command before must be on its way (SDM vol. 3A, 10.6.1); should that never happen, a lost
    // command is better than a CPU that hangs.
    constexpr unsigned polls = 1'000'000;
    for (unsigned poll = 0; poll < polls; ++poll) {
        if ((read(Register::interrupt_command) & command_pending) == 0) break;
        asm volatile("pause");
    }
    write(Register::interrupt_destination, apic_id << 24);
    write(Register::interrupt_command, command);
}

void end_of_interrupt() { write(Register::end_of_interrupt, 0); }

void connect_timer(unsigned vector, bool deadline) {
    write(Register::divide, divide_by_one);
    write(Register::lvt_timer, vector | (deadline ? timer_deadline : 0));
    // A write to the deadline register must not pass the one above (SDM vol. 3A, 10.5.4.1).
    asm volatile("mfence" : : : "memory");
}

void start_timer(std::uint32_t count) { write(Register::initial_count, count); }

std::uint32_t timer_count() { return read(Register::current_count); }

} // namespace arch::local_apic
