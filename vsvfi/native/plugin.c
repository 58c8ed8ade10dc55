/* The VapourSynth plugin: offers core.vsvfi and hands the work to vsvfi.plugin in the running interpreter. */
#include "VapourSynth4.h"

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi) {
    vspapi->configPlugin("com.vsvfi", "vsvfi", "Video frame interpolation", VS_MAKE_VERSION(0, 1), VAPOURSYNTH_API_VERSION, 0, plugin);
}
