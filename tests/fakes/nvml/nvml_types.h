/* The structs of NVML that the fake serves, laid out as in nvidia-ml-py (and in the driver's public interface). */
#ifndef FAKE_NVML_TYPES_H
#define FAKE_NVML_TYPES_H

typedef unsigned int u32;
typedef unsigned long long u64;

enum {
    SUCCESS = 0,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    VERSION_MISMATCH = 25,
};

typedef struct { char bus_id_legacy[16]; u32 domain, bus, device, pci_device_id, pci_subsystem_id; char bus_id[32]; } Pci;
typedef struct { u64 total, free, used; } Memory;
typedef struct { u32 version; u64 total, reserved, free, used; } MemoryV2;
typedef struct { u64 total, free, used; } Bar1;
typedef struct { u32 gpu, memory; } Utilization;
typedef struct { u32 version; int sensor; int temperature; } TemperatureV1;
typedef struct { u32 pid; u64 used; } ProcessV1;
typedef struct { u32 pid; u64 used; u32 gpu_instance, compute_instance; } ProcessV2; /* v3 is the same */
typedef struct { u32 pid; u64 time_us; u32 sm, memory, encoder, decoder; } ProcessSample;
typedef union { double d; u32 u; unsigned long l; u64 ll; long long s; } Value;
typedef struct { u32 field, scope; long long time_us, latency_us; u32 type; int result; Value value; } FieldValue;

typedef struct { u64 taken_ns; } GpmSample;
typedef struct { u32 version, supported; } GpmSupport;
typedef struct { u32 id; int result; double value; const char *short_name, *long_name, *unit; } GpmMetric;
typedef struct { u32 version, count; GpmSample *first, *second; GpmMetric metrics[]; } GpmGet;

typedef struct { int gpu; int instance; } Device; /* instance 0: the whole GPU; 1…: a MIG instance of it */

#endif
