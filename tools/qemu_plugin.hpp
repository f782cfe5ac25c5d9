// SPDX-License-Identifier: MIT
// What plugins for QEMU's translator have in common. One file of each includes it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

// Of QEMU's plugin interface, version 1, what is used here. Debian has no header of it.
extern "C" {
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern int qemu_plugin_version;
int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(std::uint64_t, void (*)(std::uint64_t, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, void (*)(unsigned, void*), int,
                                            void*);
void qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_insn*, int, void*, std::uint64_t);
void qemu_plugin_register_vcpu_mem_cb(qemu_plugin_insn*,
                                      void (*)(unsigned, std::uint32_t, std::uint64_t, void*), int,
                                      int, void*);
void qemu_plugin_register_vcpu_mem_inline(qemu_plugin_insn*, int, int, void*, std::uint64_t);
void qemu_plugin_register_atexit_cb(std::uint64_t, void (*)(std::uint64_t, void*), void*);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, std::size_t);
std::uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn*);
std::size_t qemu_plugin_insn_size(const qemu_plugin_insn*);
const void* qemu_plugin_insn_data(const qemu_plugin_insn*);
int qemu_plugin_install(std::uint64_t, const void*, int, char**);
}

/// Of the interface: a callback that reads no registers.
inline constexpr int without_registers = 0;

/// The file that -plugin plugin.so,out=FILE names; null if it can't be written, or none is named.
inline std::FILE* open_output(int count, char** words) {
    constexpr char key[] = "out=";
    for (int index = 0; index < count; ++index)
        if (std::strncmp(words[index], key, sizeof key - 1) == 0)
            return std::fopen(words[index] + sizeof key - 1, "w");
    return nullptr;
}
