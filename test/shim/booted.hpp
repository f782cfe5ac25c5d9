// SPDX-License-Identifier: MIT
// A machine booted to its first process, whose code the test gives; and how test code makes system
// calls with data in user memory.
#pragma once

#include "abi/types.hpp"
#include "lib/result.hpp"
#include "shim/machine.hpp"
#include "shim/proc_machine.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace shim {

using abi::SystemCall;

/// Where the first process's memory is: text (r-x), and data (rw-) for the test's structures.
inline constexpr VirtAddr init_text{0x401000};
inline constexpr VirtAddr init_data{0x402000};
inline constexpr std::uint64_t init_data_bytes = 0x10000;

/// A minimal ELF program as described above, its entry at init_text.
std::vector<std::byte> elf_program();
/// A ustar archive of one file.
std::vector<std::byte> archive_of(std::string_view path, const std::vector<std::byte>& content);

/// A machine whose archive holds bin/init. One for a test case.
class Booted {
public:
    explicit Booted(const MachineOptions& options = {});
    /// Boots; `init` is the first process's code. When it returns, the power goes.
    /// Gives what the kernel asked of the power.
    abi::Power run(std::function<void()> init);
    Machine& machine() { return machine_; }

private:
    Machine machine_;
};

// ---- for user code -----------------------------------------------------------------------------

/// A system call's answer: the value, or the error (with value 0).
struct Answer {
    std::uint64_t value = 0;
    Error error{};
    bool ok() const { return error == Error{}; }
};
template <typename... Arguments>
Answer ask(SystemCall number, Arguments... arguments) {
    const std::int64_t raw = system_call(number, static_cast<std::uint64_t>(arguments)...);
    if (raw >= 0) return {static_cast<std::uint64_t>(raw), {}};
    return {0, static_cast<Error>(-raw)};
}

/// Structures in user memory.
template <typename T>
void put(VirtAddr address, const T& value) {
    user_write(address, std::as_bytes(std::span(&value, 1)));
}
template <typename T>
T get(VirtAddr address) {
    T value;
    user_read(address, std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

/// Registers code and gives the address that starts it.
VirtAddr code_at(UserCode code);
/// Starts a thread of the calling process.
Answer start_thread(std::function<void()> code, unsigned priority = abi::priority_default,
                    std::uint64_t argument = 0);

/// Forks; the child's thread runs this code. It must not refer to what may be gone by then.
Answer fork_to(std::function<void()> code);

/// What process_info tells; written to the caller's memory at init_data + 0x7000.
abi::ProcessInfo info_of(abi::Handle process);

/// What must be as before when everything of a process has gone.
struct Footprint {
    std::uint64_t committed, own, free, anonymous, tables;
    Footprint();
    bool operator==(const Footprint&) const = default;
};

/// A plan for a process with text and data like the first one's, written to `at` in the caller's
/// memory (2 KiB), so that tests can spoil it.
struct Plan {
    abi::SpawnPlan plan{};
    std::vector<abi::PlanSegment> segments;
    std::vector<abi::Handle> handles;
    explicit Plan(std::function<void()> code);
    /// Writes it out and spawns.
    Answer spawn(VirtAddr at = init_data + 0x8000);
};

} // namespace shim
