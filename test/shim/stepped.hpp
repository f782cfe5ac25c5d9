// SPDX-License-Identifier: MIT
// CPUs as fibers of one host thread, of which somebody decides who runs: what vm::port then asks.
#pragma once

#include "vm/port.hpp"

#include <string>

namespace shim {

class Stepped {
public:
    /// vm::port's, of the CPU that runs.
    virtual void wait() = 0;
    virtual void flush(const vm::port::FlushRequest& request) = 0;
    [[noreturn]] virtual void panic(const std::string& what) = 0;
    /// The modelled MMU is about to read or change an entry.
    virtual void walks(const std::uint64_t* entry) = 0;

protected:
    ~Stepped() = default;
};

/// Null while CPUs don't run in steps. Set by the thread of the test.
extern Stepped* stepped;

} // namespace shim
